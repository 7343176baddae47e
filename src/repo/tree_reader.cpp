#include <algorithm>

#include <google/protobuf/arena.h>

#include "base/error.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

using format::proto::TreeChild;
using format::proto::TreeNode;

/// A node and where its names must lie.
struct Node {
  /// With an arena, the node's memory is the arena's: much quicker for a node that is used once.
  explicit Node(google::protobuf::Arena* arena = nullptr)
      : owned(arena == nullptr ? std::make_unique<TreeNode>() : nullptr),
        node(arena == nullptr ? *owned : *google::protobuf::Arena::CreateMessage<TreeNode>(arena)) {
  }

  std::unique_ptr<TreeNode> owned;
  TreeNode& node;
  std::optional<std::string> bound;  // all names are below it

  bool is_leaf() const { return node.level() == 0; }
  bool covers(std::string_view name) const {
    return first_name_of(node) <= name && (!bound || name < *bound);
  }
};

/// Runs `work` on a node; its errors name the node.
template <class Work>
void on_node(const ChunkId& id, Work work) {
  try {
    work();
  } catch (Error& error) {
    error.add_context(fmt::format("tree node {}", id.short_hex()));
    throw;
  }
}

void load_root(ChunkSource& source, const ChunkId& id, Node& out) {
  on_node(id, [&] {
    decode_tree_node(source.get(ChunkKind::tree, id), out.node);
    out.bound.reset();
  });
}

/// Loads a child and checks that it is what its parent says. Since names ascend within each node,
/// this makes them ascend through the whole directory.
void load_child(ChunkSource& source, const Node& parent, int index, Node& out) {
  const TreeChild& child = parent.node.children(index);
  const ChunkId id = ChunkId::from_bytes(child.node());
  on_node(id, [&] {
    decode_tree_node(source.get(ChunkKind::tree, id), out.node);
    if (index + 1 < parent.node.children_size()) {
      out.bound = parent.node.children(index + 1).first_name();
    } else {
      out.bound = parent.bound;
    }
    const auto& node = out.node;
    const std::string& last_name = node.level() == 0
                                       ? node.entries(node.entries_size() - 1).name()
                                       : node.children(node.children_size() - 1).first_name();
    if (node.level() + 1 != parent.node.level() || first_name_of(node) != child.first_name() ||
        (out.bound && last_name >= *out.bound) || entries_of(node) != child.entries()) {
      throw Error{ErrorCode::corrupt, "a tree node is not what its parent says"};
    }
  });
}

/// The child that covers the name; −1 if all names are greater.
int child_for(const TreeNode& node, std::string_view name) {
  const auto& children = node.children();
  const auto after = std::upper_bound(
      children.begin(), children.end(), name,
      [](std::string_view wanted, const TreeChild& child) { return wanted < child.first_name(); });
  return static_cast<int>(after - children.begin()) - 1;
}

/// Index of the first entry whose name is > `name`.
int entry_after(const TreeNode& node, std::string_view name) {
  const auto& entries = node.entries();
  const auto after = std::upper_bound(
      entries.begin(), entries.end(), name,
      [](std::string_view wanted, const Entry& entry) { return wanted < entry.name(); });
  return static_cast<int>(after - entries.begin());
}

}  // namespace

struct DirectoryReader::Position : Node {
  int next = 0;  // entry to return or child to load
};

DirectoryReader::DirectoryReader(ChunkSource& source, std::optional<ChunkId> root)
    : source_(source), root_(root) {}

DirectoryReader::~DirectoryReader() = default;

DirectoryReader::Position& DirectoryReader::push() {
  if (depth_ == path_.size()) path_.push_back(std::make_unique<Position>());
  Position& free = *path_[depth_];
  free.next = 0;
  return free;
}

const Entry* DirectoryReader::next() {
  if (!root_) return nullptr;
  if (depth_ == 0) {
    load_root(source_, *root_, push());
    depth_ = 1;
  }
  while (true) {
    Position& top = *path_[depth_ - 1];
    if (top.is_leaf() && top.next < top.node.entries_size()) return &top.node.entries(top.next++);
    if (top.is_leaf() || top.next == top.node.children_size()) {
      if (depth_ == 1) return nullptr;
      --depth_;
      continue;
    }
    Position& below = push();
    load_child(source_, top, top.next++, below);
    ++depth_;
  }
}

void DirectoryReader::seek_after(std::string_view name) {
  if (!root_) return;
  if (depth_ == 0) {
    load_root(source_, *root_, push());
    depth_ = 1;
  }
  while (depth_ > 1 && !path_[depth_ - 1]->covers(name)) --depth_;
  while (!path_[depth_ - 1]->is_leaf()) {
    Position& top = *path_[depth_ - 1];
    const int child = std::max(child_for(top.node, name), 0);
    top.next = child + 1;
    load_child(source_, top, child, push());
    ++depth_;
  }
  Position& leaf = *path_[depth_ - 1];
  leaf.next = entry_after(leaf.node, name);
}

std::optional<Entry> find_entry(ChunkSource& source, std::optional<ChunkId> root,
                                std::string_view name) {
  if (!root) return std::nullopt;
  google::protobuf::Arena arena;
  Node nodes[2] = {Node{&arena}, Node{&arena}};
  Node* node = &nodes[0];
  Node* below = &nodes[1];
  load_root(source, *root, *node);
  while (!node->is_leaf()) {
    const int child = child_for(node->node, name);
    if (child < 0) return std::nullopt;
    load_child(source, *node, child, *below);
    std::swap(node, below);
  }
  const int index = entry_after(node->node, name) - 1;
  if (index < 0 || node->node.entries(index).name() != name) return std::nullopt;
  return node->node.entries(index);
}

std::uint64_t count_entries(ChunkSource& source, std::optional<ChunkId> root) {
  if (!root) return 0;
  Node node;
  load_root(source, *root, node);
  return entries_of(node.node);
}

}  // namespace vgerfs::repo
