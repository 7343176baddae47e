// A file's content as extents: short lists inside the entry, long ones as trees of extent nodes
// (docs/FORMAT.md section 10).
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_map>
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

/// What in a stored extent breaks the format, or null.
const char* fault_of(const format::proto::Extent& extent);
/// From a stored extent without fault.
Extent decode_extent(const format::proto::Extent& extent);

/// Decodes and checks one node by itself; its place among others is the reader's to check. Throws
/// corrupt.
format::proto::ExtentNode decode_extent_node(ByteView bytes);
/// Length of the file that a decoded node covers.
std::uint64_t bytes_of_node(const format::proto::ExtentNode& node);

/// Collects extents in file order and writes them into an entry. Adjacent holes and adjoining
/// slices of one chunk are merged. Memory: one open node per level. One thread at a time.
class ExtentListBuilder {
 public:
  explicit ExtentListBuilder(ChunkSink& sink);
  ~ExtentListBuilder();

  /// Throws usage for an extent that the format does not allow, or beyond kMaxFileBytes.
  void add(const Extent& extent);
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// Sets extents or extents_root, and size. The builder is spent afterwards.
  void finish(format::proto::Entry& entry);

 private:
  struct Level;
  void push(const Extent& extent);
  void insert(std::size_t level, const google::protobuf::MessageLite& item, std::uint64_t bytes);
  void close_level(std::size_t level);

  ChunkSink& sink_;
  std::uint64_t bytes_ = 0;
  std::optional<Extent> last_;  // may still grow
  std::vector<Extent> inline_;  // until there are too many
  std::vector<std::unique_ptr<Level>> levels_;
};

/// Reads the extents of one entry; a seek reads O(log n) nodes, going on from one extent to the
/// next none but at a node's end. Bounded in memory whatever the bytes say. One thread at a time.
class ExtentReader {
 public:
  /// Reads nothing yet. `entry` must outlive the reader.
  ExtentReader(ChunkSource& source, const format::proto::Entry& entry);
  ~ExtentReader();

  /// An extent with its start in the file.
  struct Located {
    std::uint64_t start = 0;
    Extent extent;
  };
  /// The extent that holds byte `offset`; nullopt at or beyond the end. Throws corrupt naming the
  /// node, and what the source throws; the reader stays usable.
  std::optional<Located> at(std::uint64_t offset);

  /// All extents in order. A hostile tree can share nodes and so claim any number of extents:
  /// whoever does not spend time on a file in proportion to its size walks the nodes and visits
  /// each once.
  void for_each(const std::function<void(const Located&)>& each);

 private:
  struct Frame;

  ChunkSource& source_;
  const format::proto::Entry& entry_;
  std::vector<Frame> path_;  // from the root to the current leaf
};

/// What is known of an extent node and all that is below it.
struct ExtentNodeShape {
  std::uint32_t level = 0;
  std::uint64_t bytes = 0;
};
using ExtentNodeShapes = std::unordered_map<ChunkId, ExtentNodeShape>;

/// Visits the extents of an entry, each node at most once, and none of those in `good`: so many
/// entries are walked in time and memory bounded by the distinct nodes there are. `each` says
/// whether the extent is good; nodes with nothing but good ones below are added to `good`, others
/// are visited again for another entry. Throws as ExtentReader does.
void for_each_new_extent(ChunkSource& source, const format::proto::Entry& entry,
                         ExtentNodeShapes& good, const std::function<bool(const Extent&)>& each);

}  // namespace vgerfs::repo
