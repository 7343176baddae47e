// Chunks on their way into a journal: gathered and sealed to the repository's public key, so that
// the machine that wrote them cannot read them back either.
#pragma once

#include <functional>
#include <memory>
#include <unordered_set>

#include "base/buffer.h"
#include "fs/ingest_journal.pb.h"
#include "repo/block.h"
#include "repo/repository.h"

namespace vgerfs::fs {

/// One thread at a time.
class JournalBlockWriter {
 public:
  using Emit = std::function<void(const proto::JournalBlock& block)>;

  explicit JournalBlockWriter(repo::Repository& repository);

  bool contains(const ChunkId& id) const { return chunks_.contains(id); }
  /// Adds a chunk (1 … kMaxChunkBytes) that is not contained yet; a block that gets full goes to
  /// `emit`.
  void add(const ChunkId& id, ByteView bytes, const Emit& emit);
  void finish(const Emit& emit);
  /// What was added since then did not get into the journal: start over with an empty one.
  void clear();

 private:
  repo::Repository& repository_;
  const std::shared_ptr<const repo::DataKey>
      data_key_;  // never remembered: nobody here opens these blocks
  repo::Compressor compressor_{1};
  BufferPool plain_pool_;
  BufferPool sealed_pool_;
  Bytes scratch_;
  repo::PlainBlock block_;
  std::unordered_set<ChunkId> chunks_;
};

}  // namespace vgerfs::fs
