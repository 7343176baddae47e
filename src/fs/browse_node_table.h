// The nodes that the kernel holds, by number and by identity. A node lives from the first reply
// that names it until the kernel has forgotten each of them; numbers are never given twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "fs/browse_node.h"
#include "fs/types.h"

namespace vgerfs::fs {

/// Thread-safe; its mutex is a leaf.
class BrowseNodeTable {
 public:
  BrowseNodeTable();

  /// Throws FsError{ESTALE} for a number that is not held.
  NodePointer find(NodeId id) const;

  struct Held {
    NodeId id = 0;
    NodePointer node;
  };
  /// Counts one reference of the kernel for this node: the one held already with the same identity,
  /// or this one.
  Held hold(NodePointer node);
  void forget(NodeId id, std::uint64_t count) noexcept;

  /// The number of the directory of the catalog with this path, or 0 if the kernel does not hold
  /// it.
  NodeId find_catalog(const std::string& path) const;
  std::size_t size() const;

  /// Whether the node is a directory of the catalog, where names come and go.
  static bool is_catalog(NodeId id) noexcept { return id == kRootNode || (id & kCatalogBit) != 0; }

 private:
  static constexpr NodeId kCatalogBit = NodeId{1} << 59U;

  struct Row {
    NodePointer node;
    std::uint64_t references = 0;
  };
  struct Key {
    std::uint64_t parent;
    std::string_view name;  // of a node in rows_
    friend bool operator==(const Key&, const Key&) = default;
  };
  struct KeyHash {
    std::size_t operator()(const Key& key) const noexcept;
  };
  static Key key_of(const BrowseNode& node) noexcept { return {node.key_parent, node.key}; }

  mutable std::mutex mutex_;
  std::unordered_map<NodeId, Row> rows_;  // guarded by mutex_, as all below
  std::unordered_map<Key, NodeId, KeyHash> by_key_;
  std::unordered_map<std::string, NodeId> catalogs_;  // by path
  std::uint64_t next_number_ = 2;
};

}  // namespace vgerfs::fs
