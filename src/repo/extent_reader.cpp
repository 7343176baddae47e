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

/// A node of the given level (any for the root) that covers exactly `bytes`.
ExtentNode load_node(ChunkSource& source, std::string_view raw_id,
                     std::optional<std::uint32_t> level, std::uint64_t bytes) {
  const ChunkId id = ChunkId::from_bytes(raw_id);
  try {
    ExtentNode node = decode_extent_node(source.get(ChunkKind::extents, id));
    if ((level && node.level() != *level) || bytes_of_node(node) != bytes) {
      throw Error{ErrorCode::corrupt, "an extent node is not what refers to it says"};
    }
    return node;
  } catch (Error& error) {
    error.add_context(fmt::format("extent node {}", id.short_hex()));
    throw;
  }
}

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
      if (bytes_of_node(root) != entry_.size()) {
        throw Error{ErrorCode::corrupt, "a file's extents do not make up its size"};
      }
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

}  // namespace vgerfs::repo
