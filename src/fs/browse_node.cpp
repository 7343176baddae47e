#include "fs/browse_node.h"

#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <vector>

#include "base/sha256.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

constexpr std::uint64_t kBlockBytes = 512;
constexpr std::uint64_t kDirectoryBytes = 4096;

mode_t type_bits(repo::EntryType type) {
  // By number, as docs/FORMAT.md section 10 has them.
  static constexpr std::array<mode_t, 8> kBits = {0,       S_IFREG,  S_IFDIR, S_IFLNK,
                                                  S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK};
  const auto number = static_cast<std::size_t>(type);
  if (number == 0 || number >= kBits.size()) {
    throw Error{ErrorCode::corrupt, "a tree entry has an unknown type"};
  }
  return kBits[number];
}

/// Distinct first bytes keep a number that stands for a group apart from a name.
std::uint64_t hash_inode(char domain, std::uint64_t number, std::string_view text) {
  Bytes message;
  message.reserve(9 + text.size());
  ByteWriter writer{message};
  writer.u8(static_cast<std::uint8_t>(domain));
  writer.u64(number);
  writer.bytes(bytes_of(text));
  const Sha256Digest digest = sha256(message);
  const std::uint64_t inode = ByteReader{digest, "digest"}.u64();
  return inode > 1 ? inode : inode + 2;
}

std::shared_ptr<BrowseNode> child_of(const NodePointer& parent, std::string_view name) {
  auto node = std::make_shared<BrowseNode>();
  node->parent = parent;
  node->depth = parent->depth + 1;
  node->name = name;
  node->key_parent = parent->inode;
  node->key = name;
  node->inode = inode_of(parent->inode, name);
  return node;
}

void make_snapshot_root(BrowseNode& node, std::shared_ptr<const repo::Snapshot> snapshot) {
  node.kind = BrowseNode::Kind::tree;
  node.inode = hash_inode('s', 0, text_of(snapshot->id.view()));
  node.payload = snapshot->root.SerializeAsString();
  node.snapshot = std::move(snapshot);
}

}  // namespace

std::uint64_t inode_of(std::uint64_t parent_inode, std::string_view name) {
  return hash_inode('n', parent_inode, name);
}

repo::Entry BrowseNode::entry() const {
  repo::Entry entry;
  if (kind != Kind::tree || !entry.ParseFromString(payload)) {
    throw Error{ErrorCode::corrupt, "not a tree entry"};
  }
  return entry;
}

std::string BrowseNode::path() const {
  std::vector<std::string_view> names;
  for (const BrowseNode* node = this; node->parent; node = node->parent.get()) {
    names.push_back(node->name);
  }
  std::reverse(names.begin(), names.end());
  return fmt::format("{}", fmt::join(names, "/"));
}

NodePointer make_root_node() {
  auto node = std::make_shared<BrowseNode>();
  node->inode = kRootNode;
  return node;
}

NodePointer make_catalog_node(const NodePointer& parent, std::string_view name,
                              const CatalogItem& item) {
  auto node = child_of(parent, name);
  node->time = item.time;
  switch (item.kind) {
    case CatalogItem::Kind::directory: node->payload = join_path(parent->payload, name); break;
    case CatalogItem::Kind::link:
      node->kind = BrowseNode::Kind::link;
      node->payload = item.text;
      // A name that comes to mean something else is another node: what the kernel keeps of this one
      // stays true.
      node->key = fmt::format("{}/{}", name, item.text);
      node->inode = inode_of(parent->inode, node->key);
      break;
    case CatalogItem::Kind::unreadable:
      node->kind = BrowseNode::Kind::unreadable;
      node->payload = item.text;
      node->key = fmt::format("{}/?", name);
      break;
    case CatalogItem::Kind::snapshot:
      make_snapshot_root(*node, item.snapshot);
      node->key = fmt::format("{}/{}", name, node->snapshot->id.hex());
      break;
  }
  return node;
}

NodePointer make_tree_node(const NodePointer& parent, const repo::Entry& entry,
                           std::uint64_t blocks) {
  auto node = child_of(parent, entry.name());
  if (node->depth > repo::kMaxDirectoryDepth) {
    throw Error{ErrorCode::corrupt, "directories are nested too deeply"};
  }
  node->kind = BrowseNode::Kind::tree;
  node->snapshot = parent->snapshot;
  node->payload = entry.SerializeAsString();
  node->blocks = blocks;
  if (entry.link_group() != 0) {
    // '/' cannot be in a name. The snapshot stands in for the directory: the group spans all of
    // them.
    node->key_parent = hash_inode('s', 0, text_of(node->snapshot->id.view()));
    node->key = fmt::format("/{}", entry.link_group());
    node->inode = hash_inode('g', node->key_parent, node->key);
  }
  return node;
}

Attributes attributes_of(const repo::Entry& entry, std::uint64_t inode, std::uint64_t blocks) {
  Attributes attributes;
  attributes.inode = inode;
  attributes.mode = type_bits(entry.type()) | (entry.mode() & 07777U);
  // A directory's count of subdirectories would cost reading it; 1 tells find(1) not to rely on it.
  attributes.link_count = entry.link_group() != 0 ? std::max(entry.link_count(), 1U) : 1;
  attributes.uid = entry.uid();
  attributes.gid = entry.gid();
  attributes.size = entry.size();
  if (entry.type() == repo::EntryType::ENTRY_DIRECTORY) attributes.size = kDirectoryBytes;
  if (entry.type() == repo::EntryType::ENTRY_SYMLINK) {
    attributes.size = entry.symlink_target().size();
  }
  attributes.blocks = blocks;
  attributes.mtime = {entry.mtime_s(), entry.mtime_ns()};
  attributes.ctime = {entry.ctime_s(), entry.ctime_ns()};
  attributes.atime = attributes.mtime;
  attributes.device_major = entry.device_major();
  attributes.device_minor = entry.device_minor();
  return attributes;
}

Attributes attributes_of(const BrowseNode& node, uid_t catalog_uid, gid_t catalog_gid) {
  if (node.kind == BrowseNode::Kind::tree) {
    return attributes_of(node.entry(), node.inode, node.blocks);
  }
  Attributes attributes;
  attributes.inode = node.inode;
  attributes.uid = catalog_uid;
  attributes.gid = catalog_gid;
  attributes.atime = attributes.mtime = attributes.ctime = node.time;
  switch (node.kind) {
    case BrowseNode::Kind::catalog: attributes.mode = S_IFDIR | 0555; break;
    case BrowseNode::Kind::unreadable: attributes.mode = S_IFDIR | 0500; break;
    case BrowseNode::Kind::link:
      attributes.mode = S_IFLNK | 0777;
      attributes.size = node.payload.size();
      break;
    case BrowseNode::Kind::tree: break;
  }
  return attributes;
}

}  // namespace vgerfs::fs
