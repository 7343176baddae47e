#include "repo/extents.h"

#include "base/error.h"
#include "repo/limits.h"
#include "repo/node.h"

namespace vgerfs::repo {
namespace {

using format::proto::ExtentChild;
using format::proto::ExtentNode;

constexpr std::size_t kMaxLeafExtents = 4096;
constexpr std::size_t kMaxNodeChildren = 1024;
/// A leaf ends after a chunk whose id has so many zero bits at a certain place: 512 chunks on
/// average.
constexpr unsigned kSplitBits = 9;

bool ends_leaf(const format::proto::Extent& extent) noexcept {
  if (extent.chunk().empty()) return false;
  const ByteView id = bytes_of(extent.chunk());
  const unsigned pair = std::to_integer<unsigned>(id[0]) | std::to_integer<unsigned>(id[1]) << 8;
  return (pair & ((1U << kSplitBits) - 1)) == 0;
}

format::proto::Extent encode(const Extent& extent) {
  format::proto::Extent out;
  out.set_bytes(extent.bytes);
  if (extent.chunk) out.set_chunk(extent.chunk->raw());
  out.set_chunk_offset(extent.chunk_offset);
  return out;
}

/// Makes one extent of two where they are one piece.
bool merge(Extent& last, const Extent& next) {
  const bool adjoins =
      last.chunk ? last.chunk == next.chunk && last.chunk_offset + last.bytes == next.chunk_offset
                 : !next.chunk;
  if (adjoins) last.bytes += next.bytes;
  return adjoins;
}

const char* node_fault(const ExtentNode& node) {
  if (node.level() > kMaxExtentLevel) return "its level is too high";
  const bool leaf = node.level() == 0;
  if (leaf ? node.children_size() > 0 : node.extents_size() > 0)
    return "it has extents and children";
  if (leaf ? node.extents_size() == 0 : node.children_size() == 0) return "it is empty";
  std::uint64_t sum = 0;
  for (const auto& extent : node.extents()) {
    if (const char* fault = fault_of(extent)) return fault;
    if (__builtin_add_overflow(sum, extent.bytes(), &sum)) return "its extents are too long";
  }
  for (const ExtentChild& child : node.children()) {
    if (child.node().size() != ChunkId::kSize) return "a child's id does not have 32 bytes";
    if (child.bytes() == 0) return "a child covers nothing";
    if (__builtin_add_overflow(sum, child.bytes(), &sum)) return "its children are too long";
  }
  return sum > kMaxFileBytes ? "it covers too much" : nullptr;
}

}  // namespace

const char* fault_of(const format::proto::Extent& extent) {
  if (extent.bytes() == 0) return "an extent is empty";
  if (extent.chunk().empty()) return extent.chunk_offset() == 0 ? nullptr : "a hole has an offset";
  if (extent.chunk().size() != ChunkId::kSize) return "an extent's chunk id does not have 32 bytes";
  if (extent.bytes() > kMaxChunkBytes || extent.chunk_offset() > kMaxChunkBytes - extent.bytes()) {
    return "an extent is longer than any chunk";
  }
  return nullptr;
}

Extent decode_extent(const format::proto::Extent& extent) {
  Extent out{.bytes = extent.bytes(), .chunk = {}, .chunk_offset = extent.chunk_offset()};
  if (!extent.chunk().empty()) out.chunk = ChunkId::from_bytes(extent.chunk());
  return out;
}

ExtentNode decode_extent_node(ByteView bytes) {
  check_node_size(bytes);
  ExtentNode node;
  if (!node.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
    throw Error{ErrorCode::corrupt, "an extent node cannot be decoded"};
  }
  if (const char* fault = node_fault(node)) {
    throw Error{ErrorCode::corrupt, fmt::format("an extent node is damaged: {}", fault)};
  }
  return node;
}

std::uint64_t bytes_of_node(const ExtentNode& node) {
  std::uint64_t sum = 0;
  for (const auto& extent : node.extents()) sum += extent.bytes();
  for (const auto& child : node.children()) sum += child.bytes();
  return sum;
}

struct ExtentListBuilder::Level {
  explicit Level(std::size_t level) : node(static_cast<std::uint32_t>(level)) {}

  NodeWriter node;
  std::uint64_t bytes = 0;  // of the file, covered by the node
  bool complete = false;    // the next item begins a new node
};

ExtentListBuilder::ExtentListBuilder(ChunkSink& sink) : sink_(sink) {}

ExtentListBuilder::~ExtentListBuilder() = default;

void ExtentListBuilder::add(const Extent& extent) {
  const bool possible = extent.bytes > 0 && extent.bytes <= kMaxFileBytes - bytes_;
  const bool inside_chunk =
      extent.bytes <= kMaxChunkBytes && extent.chunk_offset <= kMaxChunkBytes - extent.bytes;
  if (!possible || (extent.chunk ? !inside_chunk : extent.chunk_offset != 0)) {
    throw Error{ErrorCode::usage, "an extent is not valid"};
  }
  bytes_ += extent.bytes;
  if (last_ && merge(*last_, extent)) return;
  if (last_) push(*last_);
  last_ = extent;
}

void ExtentListBuilder::push(const Extent& extent) {
  if (levels_.empty() && inline_.size() < kMaxInlineExtents) {
    inline_.push_back(extent);
    return;
  }
  const auto append = [this](const Extent& next) {
    const auto item = encode(next);
    insert(0, item, next.bytes);
    levels_[0]->complete = ends_leaf(item) || levels_[0]->node.items() == kMaxLeafExtents;
  };
  for (const Extent& early : inline_) append(early);
  inline_.clear();
  append(extent);
}

void ExtentListBuilder::insert(std::size_t level, const google::protobuf::MessageLite& item,
                               std::uint64_t bytes) {
  VGERFS_CHECK(level <= kMaxExtentLevel);
  if (level == levels_.size()) levels_.push_back(std::make_unique<Level>(level));
  Level& open = *levels_[level];
  if (open.complete) close_level(level);
  open.node.add(item, item.ByteSizeLong());
  open.bytes += bytes;
  open.complete = open.node.items() == kMaxNodeChildren;
}

void ExtentListBuilder::close_level(std::size_t level) {
  Level& open = *levels_[level];
  format::proto::ExtentChild child;
  child.set_node(sink_.put(ChunkKind::extents, open.node.view()).raw());
  child.set_bytes(open.bytes);
  open.node.clear();
  open.bytes = 0;
  open.complete = false;
  insert(level + 1, child, child.bytes());
}

void ExtentListBuilder::finish(format::proto::Entry& entry) {
  if (last_) push(*last_);
  last_.reset();
  entry.set_size(bytes_);
  entry.clear_extents();
  entry.clear_extents_root();
  for (const Extent& extent : inline_) *entry.add_extents() = encode(extent);
  if (levels_.empty()) return;
  // No level is empty, since a node ends only when the next item is at hand: a level above 0 gets
  // at least its second child here.
  for (std::size_t level = 0; level + 1 < levels_.size(); ++level) close_level(level);
  entry.set_extents_root(sink_.put(ChunkKind::extents, levels_.back()->node.view()).raw());
}

}  // namespace vgerfs::repo
