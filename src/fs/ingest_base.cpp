#include "fs/ingest_base.h"

#include <algorithm>

#include "base/error.h"

namespace vgerfs::fs {

using format::proto::TreeChild;
using format::proto::TreeNode;

Bytes BaseChunks::get(repo::ChunkKind kind, const ChunkId& id) {
  try {
    return source_.get(kind, id);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error{ErrorCode::corrupt,
                fmt::format("a part of the last snapshot is missing: {}", error.message())};
  }
}

BaseTree::Node BaseTree::load(repo::ChunkSource& source, const ChunkId& id) {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = items_.find(id); found != items_.end()) {
      order_.splice(order_.begin(), order_, found->second);
      return found->second->node;
    }
  }
  const Bytes stored = source.get(repo::ChunkKind::tree, id);
  auto decoded = std::make_shared<TreeNode>();
  repo::decode_tree_node(stored, *decoded);
  // A decoded message takes several times its encoding.
  const std::size_t bytes = 4 * stored.size() + 512;
  const std::lock_guard lock{mutex_};
  if (!items_.contains(id)) {
    order_.push_front({id, decoded, bytes});
    items_.emplace(id, order_.begin());
    used_bytes_ += bytes;
    while (used_bytes_ > budget_bytes_ && order_.size() > 1) {
      used_bytes_ -= order_.back().bytes;
      items_.erase(order_.back().id);
      order_.pop_back();
    }
  }
  return decoded;
}

std::optional<repo::Entry> BaseTree::find(repo::ChunkSource& source,
                                          const std::optional<ChunkId>& root,
                                          std::string_view name) {
  if (!root) return std::nullopt;
  Node node = load(source, *root);
  while (node->level() != 0) {
    const auto& children = node->children();
    const auto after = std::upper_bound(children.begin(), children.end(), name,
                                        [](std::string_view wanted, const TreeChild& child) {
                                          return wanted < child.first_name();
                                        });
    if (after == children.begin()) return std::nullopt;
    const TreeChild& child = *(after - 1);
    Node below = load(source, ChunkId::from_bytes(child.node()));
    if (below->level() + 1 != node->level() || repo::first_name_of(*below) != child.first_name()) {
      throw Error{ErrorCode::corrupt, "a tree node is not what its parent says"};
    }
    node = std::move(below);
  }
  const auto& entries = node->entries();
  const auto found = std::lower_bound(
      entries.begin(), entries.end(), name,
      [](const repo::Entry& entry, std::string_view wanted) { return entry.name() < wanted; });
  if (found == entries.end() || found->name() != name) return std::nullopt;
  return *found;
}

}  // namespace vgerfs::fs
