// The write pipeline behind a session: chunks are named and looked up on the caller's thread,
// gathered into blocks, compressed and sealed by a few threads, gathered into packs, and stored by
// others. Bounded in bytes between all stages; buffers are reused.
//
//   put → builder per chunk kind → [seal queue] → sealers → pack per kind → [store queue] → storers
//   → finished packs
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <optional>
#include <unordered_set>
#include <vector>

#include "backends/backend.h"
#include "crypto/random.h"
#include "repo/chunk.h"
#include "repo/chunk_reader.h"
#include "repo/index_cache.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

struct PutResult {
  ChunkId id;
  bool added = false;  // not known before: stored by this session
  bool readable =
      false;  // this session holds the data key of the block that has it (or the role can read all)
};

struct SessionCounters {
  std::uint64_t added_chunks = 0;
  std::uint64_t added_bytes = 0;   // plaintext
  std::uint64_t stored_bytes = 0;  // packs handed to the store
  std::uint64_t known_chunks = 0;
  std::uint64_t known_bytes = 0;
};

struct ChunkWriterOptions {
  int compression_level = 1;
  std::size_t pack_bytes = std::size_t{32} << 20;
  unsigned threads = 0;  // sealing threads; 0: one per CPU
  DedupPolicy dedup = DedupPolicy::trusted;
};

/// Thread-safe. When the store refuses a pack (full, away), `put` throws that failure until a
/// `flush` succeeded: the pack waits in memory and nothing put before is lost. A failure inside the
/// pipeline is final.
class ChunkWriter final : public PendingChunks {
 public:
  /// All references must outlive the writer.
  ChunkWriter(backends::Backend& backend, IndexCache& index, const Keyring& keyring,
              std::shared_ptr<const DataKey> data_key, crypto::Cipher cipher,
              crypto::Random& random, const ChunkWriterOptions& options);
  /// Stops the threads; what was not flushed is lost.
  ~ChunkWriter() override;

  PutResult put(ChunkKind kind, ByteView bytes);
  /// Stores the chunk even if it is known, unless this writer has it pending.
  PutResult put_again(ChunkKind kind, ByteView bytes);

  /// Takes a block that this author sealed in an earlier session (an ingest journal's): it goes
  /// into a pack as it is. `entry` describes it. Its chunks count as pending, but can be read only
  /// by a key that opens the block.
  void adopt(BlockEntry entry, ByteView sealed);

  std::optional<ChunkView> find_pending(ChunkKind kind, const ChunkId& id) override;

  /// Hands everything put before the call to the store (not yet durable: that is the backend's
  /// barrier) and returns the packs finished since the last `settle`.
  std::vector<PackDescription> flush();
  /// A failure is final: every later call throws it, and what was not settled is lost.
  bool failed() const noexcept;
  /// The store refused a pack and no flush has succeeded since.
  bool blocked() const noexcept;
  /// Every later call throws `reason`: what was handed to the store is lost.
  void abandon(std::exception_ptr reason);
  /// These packs are in the index now: their chunks, whose number it returns, are no longer
  /// pending.
  std::uint64_t settle(const std::vector<PackDescription>& packs);

  /// The packs of others that known chunks were found in, and those added with `rely_on`.
  std::vector<PackId> relied_packs() const;
  void rely_on(const PackId& pack);

  SessionCounters counters() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::repo
