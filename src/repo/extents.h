// A file's content as extents: short lists inside the entry, long ones as trees of extent nodes (docs/FORMAT.md section 10).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "format/tree.pb.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

struct Extent {
  std::uint64_t bytes = 0;
  std::optional<ChunkId> chunk;  // nullopt: hole
  std::uint32_t chunk_offset = 0;
  friend bool operator==(const Extent&, const Extent&) = default;
};

/// Collects extents in file order and writes them into an entry. Adjacent holes and adjoining slices of one chunk are merged.
class ExtentListBuilder {
 public:
  explicit ExtentListBuilder(ChunkSink& sink);
  ~ExtentListBuilder();

  void add(const Extent& extent);
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// Sets extents or extents_root, and size.
  void finish(format::proto::Entry& entry);

 private:
  struct Level;
  void push(const Extent& extent);
  void close_level(std::size_t level);

  ChunkSink& sink_;
  std::uint64_t bytes_ = 0;
  std::optional<Extent> last_;
  std::vector<format::proto::Extent> inline_;  // until there are too many
  std::vector<std::unique_ptr<Level>> levels_;
};

/// Reads the extents of one entry; seeks in O(log n) nodes. One thread at a time.
class ExtentReader {
 public:
  /// `entry` must outlive the reader.
  ExtentReader(ChunkSource& source, const format::proto::Entry& entry);
  ~ExtentReader();

  /// The extent that holds byte `offset` with its start in the file; nullopt at or beyond the end.
  struct Located {
    std::uint64_t start = 0;
    Extent extent;
  };
  std::optional<Located> at(std::uint64_t offset);

  /// All extents in order.
  void for_each(const std::function<void(const Located&)>& each);

 private:
  struct Frame;
  ChunkSource& source_;
  const format::proto::Entry& entry_;
  std::vector<Frame> stack_;
};

}  // namespace vgerfs::repo
