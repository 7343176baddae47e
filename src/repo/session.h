// A session: one writer's run on one source, from its lease to its snapshot.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/fd.h"
#include "repo/chunk.h"
#include "repo/chunk_writer.h"
#include "repo/repository.h"
#include "repo/snapshot.h"

namespace vgerfs::repo {

/// One session per (repository, host, source) on this machine: an flock on `<source
/// directory>/lock`. Throws busy with the holder's pid.
class SourceLock {
 public:
  /// Waits up to `wait_ms`.
  static SourceLock acquire(const std::string& source_directory, std::int64_t wait_ms);

 private:
  Fd fd_;
};

struct SessionOptions {
  std::string host;
  std::string source;
  int compression_level = 1;
  std::size_t pack_bytes = std::size_t{32} << 20;
  std::int64_t checkpoint_interval_s = 180;  // 0: none comes by itself
  /// So many new chunks make a checkpoint due, too: each takes some 200 bytes of memory until then.
  std::int64_t checkpoint_chunks = std::int64_t{1} << 18;
  unsigned threads = 0;  // sealing threads; 0: one per CPU
};

/// What a commit adds to the counters it knows itself.
struct SnapshotDraft {
  format::proto::Entry root;
  std::vector<std::string> paths;
  std::optional<SnapshotId> parent;
  std::vector<std::string> tags;
  format::proto::Statistics statistics;  // files, directories, others, logical_bytes, failed…
  std::string trigger;
  std::optional<Timestamp> time;  // of a copy: the original's; default: now
};

/// Thread-safe; the pipeline behind `put` is bounded in bytes (chunk_writer.h). Order: construct,
/// put…, checkpoint…, commit or drop. Destroying it without commit leaves published checkpoints in
/// the store (they are reused) and removes the lease.
class Session final : public ChunkSink {
 public:
  /// Takes its lease before it reads the index (it refreshes the repository).
  Session(Repository& repository, SessionOptions options);
  ~Session() override;

  ChunkId put(ChunkKind kind, ByteView bytes) override { return put_chunk(kind, bytes).id; }
  PutResult put_chunk(ChunkKind kind, ByteView bytes);
  /// Stores the chunk even if an unreadable copy is known (ingest view with a full spool).
  PutResult put_again(ChunkKind kind, ByteView bytes);

  /// Takes a block that this slot sealed in an earlier session as it is; see ChunkWriter::adopt.
  void adopt_block(BlockEntry entry, ByteView sealed);
  /// The snapshot will need this chunk, which somebody else stored: false if it is not there or
  /// will not stay.
  bool rely_on(const ChunkId& id);
  /// The session failed for good: what its last checkpoint did not name is lost, every later call
  /// throws.
  bool is_over() const noexcept;
  /// The store refused a pack: nothing more is taken in until a checkpoint succeeds.
  bool is_blocked() const noexcept;

  /// Makes everything put so far durable and named by an index record. Called by itself, on a
  /// thread of its own, as the options say. Writes nothing if nothing was added.
  void checkpoint();
  /// Checkpoint, closure check, snapshot, barrier. Returns when durable. The session is over
  /// afterwards.
  ListedSnapshot commit(const SnapshotDraft& draft);

  SessionCounters counters() const;
  const SessionOptions& options() const noexcept { return options_; }

 private:
  struct Impl;
  SessionOptions options_;
  std::unique_ptr<Impl> impl_;
};

/// Whether a new root says the same as the last snapshot's (nothing to commit unless that is a day
/// old or the user forces it).
bool same_root(const format::proto::Entry& a, const format::proto::Entry& b);

}  // namespace vgerfs::repo
