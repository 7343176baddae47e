#include <algorithm>

#include "base/error.h"
#include "repo/extents.h"

namespace vgerfs::repo {

using format::proto::ExtentNode;

/// A node with the places of its items: item i covers [starts[i], starts[i + 1]) of the file.
struct ExtentReader::Frame {
  ExtentNode node;
  std::vector<std::uint64_t> starts;

  Frame(ExtentNode decoded, std::uint64_t start) : node(std::move(decoded)) {
    starts.push_back(start);
    for (const auto& extent : node.extents()) starts.push_back(start += extent.bytes());
    for (const auto& child : node.children()) starts.push_back(start += child.bytes());
  }

  bool covers(std::uint64_t offset) const {
    return offset >= starts.front() && offset < starts.back();
  }
  std::size_t item_at(std::uint64_t offset) const {
    const auto after = std::upper_bound(starts.begin(), starts.end(), offset);
    return static_cast<std::size_t>(after - starts.begin()) - 1;
  }
};

namespace {

/// Throws corrupt unless a node has the level (any for a root) and length that what refers to it
/// says.
void check_shape(const ChunkId& id, const ExtentNodeShape& shape,
                 std::optional<std::uint32_t> level, std::uint64_t bytes) {
  if ((level && shape.level != *level) || shape.bytes != bytes) {
    throw Error{ErrorCode::corrupt,
                fmt::format("extent node {} is not what refers to it says", id.short_hex())};
  }
}

ExtentNode load_node(ChunkSource& source, std::string_view raw_id,
                     std::optional<std::uint32_t> level, std::uint64_t bytes) {
  const ChunkId id = ChunkId::from_bytes(raw_id);
  ExtentNode node;
  try {
    node = decode_extent_node(source.get(ChunkKind::extents, id));
  } catch (Error& error) {
    error.add_context(fmt::format("extent node {}", id.short_hex()));
    throw;
  }
  check_shape(id, {node.level(), bytes_of_node(node)}, level, bytes);
  return node;
}

void check_inline(const format::proto::Entry& entry) {
  std::uint64_t sum = 0;
  for (const auto& extent : entry.extents()) {
    const char* fault = fault_of(extent);
    if (fault != nullptr || __builtin_add_overflow(sum, extent.bytes(), &sum)) {
      throw Error{ErrorCode::corrupt, fault != nullptr ? fault : "a file's extents are too long"};
    }
  }
  if (sum != entry.size()) {
    throw Error{ErrorCode::corrupt, "a file's extents do not make up its size"};
  }
}

/// Visits the nodes below one root that are not known to be good, each once.
class NewExtents {
 public:
  NewExtents(ChunkSource& source, ExtentNodeShapes& good,
             const std::function<bool(const Extent&)>& each)
      : source_(source), good_(good), each_(each) {}

  /// Whether all below is good. At most kMaxExtentLevel deep, since levels fall by one.
  bool visit(std::string_view raw_id, std::optional<std::uint32_t> level, std::uint64_t bytes) {
    const ChunkId id = ChunkId::from_bytes(raw_id);
    for (const auto* known : {&good_, &bad_}) {
      const auto found = known->find(id);
      if (found == known->end()) continue;
      check_shape(id, found->second, level, bytes);
      return known == &good_;
    }
    const ExtentNode node = load_node(source_, raw_id, level, bytes);
    bool all_good = true;
    for (const auto& extent : node.extents()) all_good &= each_(decode_extent(extent));
    for (const auto& child : node.children()) {
      all_good &= visit(child.node(), node.level() - 1, child.bytes());
    }
    (all_good ? good_ : bad_).emplace(id, ExtentNodeShape{node.level(), bytes});
    return all_good;
  }

 private:
  ChunkSource& source_;
  ExtentNodeShapes& good_;
  ExtentNodeShapes bad_;
  const std::function<bool(const Extent&)>& each_;
};

}  // namespace

ExtentReader::ExtentReader(ChunkSource& source, const format::proto::Entry& entry)
    : source_(source), entry_(entry) {}

ExtentReader::~ExtentReader() = default;

std::optional<ExtentReader::Located> ExtentReader::at(std::uint64_t offset) {
  if (offset >= entry_.size()) return std::nullopt;
  if (path_.empty()) {
    ExtentNode root;
    if (entry_.extents_root().empty()) {
      *root.mutable_extents() = entry_.extents();
      check_inline(entry_);
    } else {
      root = load_node(source_, entry_.extents_root(), std::nullopt, entry_.size());
    }
    path_.emplace_back(std::move(root), 0);
  }
  while (!path_.back().covers(offset)) path_.pop_back();  // the root covers it
  while (path_.back().node.level() > 0) {
    const Frame& top = path_.back();
    const std::size_t item = top.item_at(offset);
    const auto& child = top.node.children(static_cast<int>(item));
    ExtentNode node = load_node(source_, child.node(), top.node.level() - 1, child.bytes());
    const std::uint64_t start = top.starts[item];
    path_.emplace_back(std::move(node), start);
  }
  const Frame& leaf = path_.back();
  const std::size_t item = leaf.item_at(offset);
  return Located{leaf.starts[item], decode_extent(leaf.node.extents(static_cast<int>(item)))};
}

void ExtentReader::for_each(const std::function<void(const Located&)>& each) {
  for (std::uint64_t offset = 0; const auto located = at(offset);) {
    each(*located);
    offset = located->start + located->extent.bytes;
  }
}

void for_each_new_extent(ChunkSource& source, const format::proto::Entry& entry,
                         ExtentNodeShapes& good, const std::function<bool(const Extent&)>& each) {
  if (!entry.extents_root().empty()) {
    NewExtents{source, good, each}.visit(entry.extents_root(), std::nullopt, entry.size());
    return;
  }
  check_inline(entry);
  for (const auto& extent : entry.extents()) each(decode_extent(extent));
}

}  // namespace vgerfs::repo
