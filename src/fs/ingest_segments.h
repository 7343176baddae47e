// What a file in the ingest view consists of: segments that cover it without gaps. Pure
// bookkeeping: no I/O, no locks, no plaintext.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "repo/extents.h"
#include "repo/spool.h"

namespace vgerfs::fs {

/// Numbers the sessions of this daemon. Bytes are readable only while the session that received
/// them runs; 0 is the past.
using Epoch = std::uint32_t;

/// A file's content at rest: that of an entry of the last snapshot, or of a file written and closed
/// in this session. Immutable, shared.
struct StoredContent {
  std::uint64_t bytes = 0;
  std::vector<repo::Extent> extents;  // all of it, unless `root` is set
  std::optional<ChunkId> root;        // a long list: its tree of extent nodes
  Epoch epoch = 0;                    // who received it
};

enum class SegmentKind : std::uint8_t {
  hole,
  chunk,   // a slice of a chunk
  spool,   // bytes that only the spool has yet
  stored,  // the same range of the file's StoredContent
};

struct Segment {
  std::uint64_t bytes = 0;
  SegmentKind kind = SegmentKind::hole;
  Epoch epoch = 0;  // chunk, spool: the session that received the bytes
  std::uint32_t chunk_offset = 0;
  std::uint32_t spool_offset = 0;
  ChunkId chunk;
  /// spool: the bytes. chunk: a copy to read back, for a chunk whose block this key cannot open;
  /// else null.
  std::shared_ptr<const repo::SpoolRecord> spool;

  static Segment hole(std::uint64_t bytes) { return {.bytes = bytes}; }
  /// `count` bytes from `from` on.
  Segment slice(std::uint64_t from, std::uint64_t count) const;
};

/// Segments in order of their place in the file. Not thread-safe.
class SegmentMap {
 public:
  SegmentMap() = default;
  /// All of it as one segment of kind stored.
  explicit SegmentMap(const StoredContent& stored);

  std::uint64_t bytes() const noexcept { return bytes_; }
  std::uint64_t hole_bytes() const noexcept { return hole_bytes_; }
  std::size_t count() const noexcept { return segments_.size(); }

  /// Puts `segment` (not empty) at `start`; what was there goes. Beyond the end a hole fills the
  /// gap.
  void replace(std::uint64_t start, Segment segment);
  /// Cuts, or grows by a hole.
  void truncate(std::uint64_t bytes);

  /// Calls `each` for every segment that meets [start, end), cut to it, with its place in the file;
  /// until it returns false.
  void visit(std::uint64_t start, std::uint64_t end,
             const std::function<bool(std::uint64_t, const Segment&)>& each) const;

 private:
  using Map = std::map<std::uint64_t, Segment>;
  /// The first segment that begins at or after `at`, after cutting the one that reaches over it.
  Map::iterator split(std::uint64_t at);
  Map::iterator insert(std::uint64_t start, Segment segment);
  Map::iterator erase(Map::iterator from, Map::iterator to);
  void merge_with_next(Map::iterator at);

  Map segments_;
  std::uint64_t bytes_ = 0;
  std::uint64_t hole_bytes_ = 0;
};

/// Ranges of a file, merged when they touch.
class RangeSet {
 public:
  struct Range {
    std::uint64_t start = 0;
    std::uint64_t end = 0;
    friend bool operator==(const Range&, const Range&) = default;
  };

  void add(std::uint64_t start, std::uint64_t end);
  void clear() noexcept { ranges_.clear(); }
  bool empty() const noexcept { return ranges_.empty(); }
  std::vector<Range> list() const;

 private:
  std::map<std::uint64_t, std::uint64_t> ranges_;  // start → end
};

}  // namespace vgerfs::fs
