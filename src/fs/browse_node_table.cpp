#include "fs/browse_node_table.h"

#include <cerrno>
#include <functional>

namespace vgerfs::fs {

std::size_t BrowseNodeTable::KeyHash::operator()(const Key& key) const noexcept {
  return std::hash<std::string_view>{}(key.name) ^ static_cast<std::size_t>(key.parent);
}

BrowseNodeTable::BrowseNodeTable() {
  // The kernel never forgets the root.
  rows_.emplace(kRootNode, Row{make_root_node(), 1});
  catalogs_.emplace("", kRootNode);
}

NodePointer BrowseNodeTable::find(NodeId id) const {
  const std::lock_guard lock{mutex_};
  const auto found = rows_.find(id);
  if (found == rows_.end()) throw FsError{ESTALE};
  return found->second.node;
}

BrowseNodeTable::Held BrowseNodeTable::hold(NodePointer node) {
  const bool is_directory_of_catalog = node->kind == BrowseNode::Kind::catalog;
  const std::lock_guard lock{mutex_};
  const auto known = by_key_.find(key_of(*node));
  if (known != by_key_.end()) {
    Row& row = rows_.find(known->second)->second;
    ++row.references;
    return {known->second, row.node};
  }
  const NodeId id =
      node_in(View::browse, next_number_++) | (is_directory_of_catalog ? kCatalogBit : 0);
  const Row& row = rows_.emplace(id, Row{std::move(node), 1}).first->second;
  by_key_.emplace(key_of(*row.node), id);
  if (is_directory_of_catalog) catalogs_.emplace(row.node->payload, id);
  return {id, row.node};
}

void BrowseNodeTable::forget(NodeId id, std::uint64_t count) noexcept {
  NodePointer last;  // destroyed after the lock is gone, with its parents
  const std::lock_guard lock{mutex_};
  const auto found = rows_.find(id);
  if (found == rows_.end() || id == kRootNode) return;
  Row& row = found->second;
  row.references -= std::min(count, row.references);
  if (row.references != 0) return;
  by_key_.erase(key_of(*row.node));
  if (is_catalog(id)) catalogs_.erase(row.node->payload);
  last = std::move(row.node);
  rows_.erase(found);
}

NodeId BrowseNodeTable::find_catalog(const std::string& path) const {
  const std::lock_guard lock{mutex_};
  const auto found = catalogs_.find(path);
  return found != catalogs_.end() ? found->second : 0;
}

std::size_t BrowseNodeTable::size() const {
  const std::lock_guard lock{mutex_};
  return rows_.size();
}

}  // namespace vgerfs::fs
