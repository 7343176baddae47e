#include "fs/browse_fs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "repo/tree.h"

namespace vgerfs::fs {
namespace {

using Kind = BrowseNode::Kind;

constexpr std::size_t kMaxFiles = 256;
constexpr std::size_t kMaxBookmarks = 1024;
constexpr std::string_view kSnapshotXattr = "user.vgerfs.snapshot";

/// The errno of a read that failed: the store's "not found" is our loss, never the caller's wrong
/// name.
int read_errno(ErrorCode code) { return code == ErrorCode::denied ? EACCES : EIO; }

const BrowseNode& require_directory(const BrowseNode& node) {
  if (node.kind == Kind::link) throw FsError{ENOTDIR};
  return node;
}

}  // namespace

BrowseFs::BrowseFs(std::unique_ptr<BrowseSource> source, BrowseOptions options)
    : source_(std::move(source)),
      options_(options),
      files_(kMaxFiles),
      bookmarks_(kMaxBookmarks),
      refresher_(*source_, *options.clock, options.timing,
                 [this](const Catalog::Changes& changes) { catalog_changed(changes); }) {}

BrowseFs::~BrowseFs() = default;

/// Runs what reads the store on behalf of a node. A failure is logged with the node's path and
/// becomes an errno.
template <class Work>
auto BrowseFs::guarded(const BrowseNode& node, Work work) {
  try {
    if (node.kind == Kind::unreadable) throw Error{ErrorCode::corrupt, node.payload};
    return work();
  } catch (const Error& error) {
    damage_.report(node.path(), error);
    throw FsError{read_errno(error.code())};
  }
}

Attributes BrowseFs::attributes(const BrowseNode& node) {
  Attributes attributes = attributes_of(node, options_.owner_uid, options_.owner_gid);
  if (node.kind == Kind::catalog) {
    const auto catalog = refresher_.current();
    const CatalogItem* item = catalog->find(node.payload);
    if (item != nullptr) attributes.atime = attributes.mtime = attributes.ctime = item->time;
  }
  return attributes;
}

NodeReply BrowseFs::reply(NodePointer node) {
  const BrowseNodeTable::Held held = nodes_.hold(std::move(node));
  return {held.id, attributes(*held.node)};
}

NodeReply BrowseFs::lookup(NodeId parent, std::string_view name) {
  const NodePointer directory = nodes_.find(parent);
  NodePointer found = directory->kind == Kind::catalog
                          ? find_in_catalog(directory, name)
                          : guarded(*directory, [&] { return find_in_tree(directory, name); });
  if (!found) throw FsError{ENOENT};
  return reply(std::move(found));
}

NodePointer BrowseFs::find_in_catalog(const NodePointer& directory, std::string_view name) {
  const auto catalog = refresher_.look();
  const CatalogItem* item = catalog->find(directory->payload);
  if (item == nullptr) return nullptr;
  const auto found = item->children.find(name);
  if (found == item->children.end()) return nullptr;
  return make_catalog_node(directory, name, found->second);
}

NodePointer BrowseFs::find_in_tree(const NodePointer& directory, std::string_view name) {
  const repo::Entry parent = require_directory(*directory).entry();
  if (parent.type() != repo::EntryType::ENTRY_DIRECTORY) throw FsError{ENOTDIR};
  const std::optional<repo::Entry> entry =
      repo::find_entry(*source_, repo::subtree_of(parent), name);
  if (!entry) return nullptr;
  return make_tree_node(directory, *entry, blocks_of(*directory, *entry));
}

std::uint64_t BrowseFs::blocks_of(const BrowseNode& directory, const repo::Entry& entry) {
  try {
    return count_blocks(*source_, entry);
  } catch (const Error& error) {
    // Its attributes can be shown all the same.
    damage_.report(join_path(directory.path(), entry.name()), error);
    return entry.size() / 512 + 1;
  }
}

void BrowseFs::forget(NodeId node, std::uint64_t count) noexcept { nodes_.forget(node, count); }

Attributes BrowseFs::get_attributes(NodeId node) {
  const NodePointer found = nodes_.find(node);
  if (found->kind == Kind::catalog) refresher_.look();
  return attributes(*found);
}

std::string BrowseFs::read_link(NodeId node) {
  const NodePointer found = nodes_.find(node);
  if (found->kind == Kind::link) return found->payload;
  const repo::Entry entry = found->entry();
  if (entry.type() != repo::EntryType::ENTRY_SYMLINK) throw FsError{EINVAL};
  return entry.symlink_target();
}

void BrowseFs::open_file(NodeId node, int flags) {
  nodes_.find(node);
  if ((flags & O_ACCMODE) != O_RDONLY || (flags & O_TRUNC) != 0) throw FsError{EROFS};
}

std::shared_ptr<BrowseFile> BrowseFs::file(NodeId id, const BrowseNode& node) {
  {
    const std::lock_guard lock{mutex_};
    if (const auto* known = files_.find(id)) return *known;
  }
  repo::Entry entry = node.entry();
  if (entry.type() != repo::EntryType::ENTRY_FILE) throw FsError{EINVAL};
  auto made = std::make_shared<BrowseFile>(*source_, std::move(entry));
  decltype(files_.erase(id)) dropped;
  const std::lock_guard lock{mutex_};
  dropped = files_.put(id, made);
  return made;
}

FileBytes BrowseFs::read(NodeId node, std::uint64_t offset, std::uint64_t size) {
  const NodePointer found = nodes_.find(node);
  return guarded(*found, [&] { return file(node, *found)->read(offset, size); });
}

std::uint64_t BrowseFs::seek(NodeId node, std::uint64_t offset, bool data) {
  const NodePointer found = nodes_.find(node);
  return guarded(*found, [&] { return file(node, *found)->seek(offset, data); });
}

void BrowseFs::read_directory(NodeId node, std::uint64_t cookie, bool with_attributes,
                              const DirectorySink& sink) {
  const NodePointer directory = nodes_.find(node);
  const std::uint64_t inode = directory->inode;
  const std::uint64_t parent_inode = directory->parent ? directory->parent->inode : inode;
  if (!offer_dots(inode, parent_inode, cookie, sink)) return;
  cookie = std::max(cookie, kFirstCookie);
  if (directory->kind == Kind::catalog) {
    read_catalog(directory, cookie, with_attributes, sink);
  } else {
    guarded(*directory, [&] { read_tree(node, directory, cookie, with_attributes, sink); });
  }
}

/// Holds the node if it goes out with its attributes; gives it back if the reply is full.
bool BrowseFs::offer(const NodePointer& node, std::uint64_t next_cookie, bool with_attributes,
                     const DirectorySink& sink) {
  DirectoryItem item{.name = node->name, .next_cookie = next_cookie};
  if (!with_attributes) {
    item.attributes.inode = node->inode;
    item.attributes.mode = attributes(*node).mode;
    return sink(item);
  }
  const BrowseNodeTable::Held held = nodes_.hold(node);
  item.node = held.id;
  item.attributes = attributes(*held.node);
  const bool taken = sink(item);
  if (!taken) nodes_.forget(held.id, 1);
  return taken;
}

void BrowseFs::read_catalog(const NodePointer& directory, std::uint64_t cookie,
                            bool with_attributes, const DirectorySink& sink) {
  const auto catalog = refresher_.look();
  const CatalogItem* item = catalog->find(directory->payload);
  if (item == nullptr) return;
  std::vector<std::pair<std::uint64_t, const decltype(item->children)::value_type*>> rest;
  for (const auto& child : item->children) {
    if (child.second.cookie >= cookie) rest.emplace_back(child.second.cookie, &child);
  }
  std::sort(rest.begin(), rest.end());
  for (const auto& [child_cookie, child] : rest) {
    const NodePointer node = make_catalog_node(directory, child->first, child->second);
    if (!offer(node, child_cookie + 1, with_attributes, sink)) return;
  }
}

void BrowseFs::read_tree(NodeId id, const NodePointer& directory, std::uint64_t cookie,
                         bool with_attributes, const DirectorySink& sink) {
  const repo::Entry parent = require_directory(*directory).entry();
  if (parent.type() != repo::EntryType::ENTRY_DIRECTORY) throw FsError{ENOTDIR};
  repo::DirectoryReader reader{*source_, repo::subtree_of(parent)};
  if (cookie != kFirstCookie) {
    std::optional<std::string> last_name;
    {
      const std::lock_guard lock{mutex_};
      if (const auto* known = bookmarks_.find({id, cookie})) last_name = *known;
    }
    if (last_name) {
      reader.seek_after(*last_name);
    } else {
      for (std::uint64_t i = kFirstCookie; i < cookie; ++i) {
        if (reader.next() == nullptr) return;
      }
    }
  }
  std::string last_name;
  while (const repo::Entry* entry = reader.next()) {
    // Counting the blocks of a large file reads its list of extents: not for a mere listing. The
    // kernel then looks the name up when somebody asks for more.
    const bool complete = with_attributes && !blocks_need_reading(*entry);
    const std::uint64_t blocks = complete ? blocks_of(*directory, *entry) : 0;
    if (!offer(make_tree_node(directory, *entry, blocks), cookie + 1, complete, sink)) break;
    ++cookie;
    last_name = entry->name();
  }
  if (last_name.empty()) return;
  decltype(bookmarks_.erase({})) dropped;
  const std::lock_guard lock{mutex_};
  dropped = bookmarks_.put({id, cookie}, std::move(last_name));
}

Bytes BrowseFs::get_xattr(NodeId node, std::string_view name) {
  const NodePointer found = nodes_.find(node);
  if (found->kind != Kind::tree) throw FsError{ENODATA};
  if (name == kSnapshotXattr) {
    const std::string id = found->snapshot->id.hex();
    const ByteView bytes = bytes_of(id);
    return {bytes.begin(), bytes.end()};
  }
  const repo::Entry entry = found->entry();
  const auto& xattrs = entry.xattrs();
  const auto xattr = std::find_if(xattrs.begin(), xattrs.end(),
                                  [&](const auto& candidate) { return candidate.name() == name; });
  if (xattr == xattrs.end()) throw FsError{ENODATA};
  return guarded(*found, [&] { return repo::xattr_value(*xattr, *source_); });
}

std::vector<std::string> BrowseFs::list_xattrs(NodeId node) {
  const NodePointer found = nodes_.find(node);
  std::vector<std::string> names;
  if (found->kind != Kind::tree) return names;
  const repo::Entry entry = found->entry();
  for (const auto& xattr : entry.xattrs()) names.push_back(xattr.name());
  return names;
}

void BrowseFs::refresh_now() { refresher_.refresh_now(); }

void BrowseFs::adopt() { refresher_.adopt(); }

void BrowseFs::set_invalidate(
    std::function<void(NodeId parent, std::string_view name)> invalidate) {
  invalidate_ = std::move(invalidate);
}

void BrowseFs::catalog_changed(const Catalog::Changes& changes) {
  if (!invalidate_) return;
  for (const auto& [path, name] : changes) {
    const NodeId parent = nodes_.find_catalog(path);
    if (parent != 0) invalidate_(parent, name);
  }
}

}  // namespace vgerfs::fs
