// A node of the browse view: what the kernel holds a number for. Immutable; a tree entry is kept as
// its stored bytes, which is a quarter of its decoded size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "fs/browse_catalog.h"
#include "fs/types.h"
#include "repo/tree.h"

namespace vgerfs::fs {

struct BrowseNode {
  enum class Kind : std::uint8_t { catalog, link, unreadable, tree };

  Kind kind = Kind::catalog;
  std::uint32_t depth = 0;
  std::uint64_t inode = 0;       // st_ino
  std::uint64_t key_parent = 0;  // with `key`: identity; two lookups of one file find one node
  std::string key;
  std::shared_ptr<const BrowseNode> parent;  // where it was found first; null: the root
  std::string name;
  std::string payload;  // catalog: path; link: target; unreadable: why; tree: the entry
  std::shared_ptr<const repo::Snapshot> snapshot;  // tree
  std::uint64_t blocks = 0;                        // tree: st_blocks
  Timestamp time;                                  // all but tree

  /// The tree entry; throws Error{corrupt} if this is none.
  repo::Entry entry() const;
  /// "snapshots/host/source/time/dir/file", for messages.
  std::string path() const;
};

using NodePointer = std::shared_ptr<const BrowseNode>;

/// The root of the browse view.
NodePointer make_root_node();
/// A name in a directory of the catalog.
NodePointer make_catalog_node(const NodePointer& parent, std::string_view name,
                              const CatalogItem& item);
/// A name in a directory of a snapshot. Throws Error{corrupt} below kMaxDirectoryDepth.
NodePointer make_tree_node(const NodePointer& parent, const repo::Entry& entry,
                           std::uint64_t blocks);

/// st_ino of a name in a directory: a hash, the same in every mount; never 0 or 1. All entries of a
/// hard-link group of one snapshot have one.
std::uint64_t inode_of(std::uint64_t parent_inode, std::string_view name);

/// The attributes of a tree entry and of a node.
Attributes attributes_of(const repo::Entry& entry, std::uint64_t inode, std::uint64_t blocks);
Attributes attributes_of(const BrowseNode& node, uid_t catalog_uid, gid_t catalog_gid);

}  // namespace vgerfs::fs
