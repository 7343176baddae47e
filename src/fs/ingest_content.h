// The content of one file that is being written in the ingest view. Sequential writes gather in a
// run, at most a chunk and a bit of plaintext, and go through the chunker into the session; short
// runs that a write elsewhere displaces go to the spool. What was there before stays as slices,
// unread.
#pragma once

#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "fs/ingest_segments.h"
#include "repo/chunker.h"

namespace vgerfs::fs {

/// What a content needs of the session that its file belongs to. Thread-safe.
class ContentPort {
 public:
  virtual ~ContentPort() = default;
  /// Stores the bytes (1 … kMaxChunkBytes) as one chunk. Throws what the session failed with.
  virtual Segment put(ByteView bytes) = 0;
  /// Keeps 1 … repo::Spool::kMaxRecordBytes bytes in the spool. Null if it is full.
  virtual std::shared_ptr<const repo::SpoolRecord> spool(ByteView bytes) = 0;
  virtual const repo::Chunker& chunker() const = 0;
  virtual Epoch epoch() const = 0;
};

/// A piece of a file as a reader finds it.
struct ContentPiece {
  std::uint64_t start = 0;
  Segment segment;
  Bytes bytes;  // of a piece that is in memory; `segment` then says its length and epoch only
  bool in_memory = false;
};

/// Functions other than `mutex` need that mutex held. It is held while a chunk is handed to the
/// session and while the spool is written: of one file, nothing else waits for it but that file's
/// own requests.
class FileContent {
 public:
  /// Starts from `stored` (null: an empty file).
  explicit FileContent(std::shared_ptr<const StoredContent> stored);

  std::mutex& mutex() noexcept { return mutex_; }

  std::uint64_t bytes() const noexcept;
  std::uint64_t hole_bytes() const noexcept { return segments_.hole_bytes(); }
  /// Bytes of plaintext in memory.
  std::size_t run_bytes() const noexcept { return run_.size() - run_used_; }
  const std::shared_ptr<const StoredContent>& stored() const noexcept { return stored_; }

  /// On failure the content has the length that it had, and nothing written before is lost; of what
  /// this would have overwritten, some may be.
  void write(ContentPort& port, std::uint64_t offset, ByteView bytes);
  void truncate(std::uint64_t bytes);
  /// Zeros within the file.
  void punch(std::uint64_t offset, std::uint64_t length);
  /// Grows by a hole; never shrinks.
  void extend(std::uint64_t bytes);

  /// Content as the journal says it, within the file.
  void restore(std::uint64_t start, Segment segment) { place(start, std::move(segment)); }

  /// Nothing is left in memory: chunks of what the run holds.
  void close_run(ContentPort& port);
  /// Nothing is left in memory or only in the spool.
  void seal(ContentPort& port);

  /// The pieces that cover [start, end) up to the file's end, in order; the first `max_count` of
  /// them.
  std::vector<ContentPiece> pieces(std::uint64_t start, std::uint64_t end,
                                   std::size_t max_count = SIZE_MAX) const;
  /// As stored content if that takes at most `max_extents` and nothing is lost by it (no run, no
  /// spool); else null. `epoch`: all of it was received in that session; none: it is over, nothing
  /// is readable any more.
  std::shared_ptr<const StoredContent> at_rest(std::size_t max_extents,
                                               std::optional<Epoch> epoch) const;
  /// Changes the epoch of what `from` received: the file moved to another source.
  void change_epoch(Epoch from, Epoch to);

  /// For the journal: what changed since `mark_journaled`, and whether all of it has to be written.
  /// In order, within the file. What lies outside them is as journaled before, cut or grown by a
  /// hole to the present size.
  std::vector<RangeSet::Range> unjournaled() const;
  bool all_unjournaled() const noexcept { return all_unjournaled_; }
  void mark_journaled();
  /// The next `unjournaled` says everything again.
  void forget_journal() noexcept { all_unjournaled_ = true; }

  /// A failure after the write was answered; reported at flush and fsync.
  std::exception_ptr failure;
  /// Its file holds another content now: a request that waited for the mutex looks again.
  bool detached = false;

 private:
  std::uint64_t run_end() const noexcept { return run_start_ + run_bytes(); }
  ByteView run_view() const noexcept { return ByteView{run_}.subspan(run_used_); }
  void place(std::uint64_t start, Segment segment);
  /// Moves the run's first `count` bytes, stored as `segment`, out of memory.
  void settle(std::size_t count, Segment segment);
  void cut_pieces(ContentPort& port, bool at_end);
  void displace_run(ContentPort& port);
  void compact_run();
  void seal_range(ContentPort& port, RangeSet::Range range, Epoch epoch);

  std::mutex mutex_;
  std::shared_ptr<const StoredContent> stored_;
  SegmentMap segments_;
  // The run lies over the segments: what they say of its range is out of date.
  Bytes run_;
  std::size_t run_used_ = 0;  // bytes at the front that are in segments already
  std::uint64_t run_start_ = 0;
  Epoch run_epoch_ = 0;
  RangeSet changed_;
  bool all_unjournaled_ = true;
};

}  // namespace vgerfs::fs
