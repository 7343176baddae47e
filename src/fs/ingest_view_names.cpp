// Requests that make, move and remove names.
#include <sys/stat.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "fs/ingest_move.h"
#include "fs/ingest_view.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

void check_name(std::string_view name) {
  if (name.empty() || name == "." || name == "..") throw FsError{EINVAL};
  if (name.size() > repo::kMaxNameBytes) throw FsError{ENAMETOOLONG};
}

/// A directory that was removed takes nothing any more.
void check_linked(const Inode& directory) {
  if (directory.links.empty() && directory.source->root.get() != &directory) throw FsError{ENOENT};
}

}  // namespace

SourceChange IngestView::change_of(NodeId node) {
  for (;;) {
    IngestSource& source = source_of(node);
    SourceChange change = source.change();
    const TreeLock lock{context_.tree.mutex};
    // Between the look and the gate it may have moved to another source.
    if (context_.tree.find(node)->source == &source) return change;
  }
}

InodePtr IngestView::make(TreeLock& lock, IngestSource& source, NodeId parent,
                          std::string_view name, mode_t mode, const Caller& caller) {
  check_name(name);
  const InodePtr directory = context_.tree.find_directory(parent);
  check_linked(*directory);
  if (S_ISDIR(mode) && IngestTree::depth_of(*directory) >= repo::kMaxDirectoryDepth)
    throw FsError{ENAMETOOLONG};
  const auto default_acl = xattr_of(lock, directory, kDefaultAclName);
  const auto found = context_.tree.resolve(lock, directory, name);
  if (found.inode) throw FsError{EEXIST};

  auto inode = std::make_shared<Inode>();
  inode->mode = mode;
  inode->uid = caller.uid;
  inode->gid = caller.gid;
  if ((directory->mode & S_ISGID) != 0) {
    inode->gid = directory->gid;
    if (S_ISDIR(mode)) inode->mode |= S_ISGID;
  }
  const auto inherited = default_acl ? parse_acl(*default_acl) : std::nullopt;
  if (inherited && !S_ISLNK(mode)) {
    InheritedAcl acl = inherit_acl(*inherited, inode->mode);
    inode->mode = acl.mode;
    if (acl.access || S_ISDIR(mode)) inode->xattrs = std::make_unique<Xattrs>();
    if (acl.access) (*inode->xattrs)[std::string{kAccessAclName}].value = encode_acl(*acl.access);
    if (S_ISDIR(mode)) (*inode->xattrs)[std::string{kDefaultAclName}].value = *default_acl;
  } else if (!S_ISLNK(mode)) {
    inode->mode &= ~(caller.umask & 0777U);
  }
  inode->mtime = inode->ctime = context_.clock.now();
  if (S_ISDIR(mode)) inode->directory = std::make_unique<Directory>();
  context_.tree.adopt(inode, source);
  context_.tree.link(*directory, name, inode, found.in_base);
  ++source.totals.count_of(mode);
  touch(*directory, true);
  return inode;
}

NodeReply IngestView::make_directory(NodeId parent, std::string_view name, mode_t mode,
                                     const Caller& caller) {
  if (parent == kIngestRoot) return make_source(name, mode, caller);
  SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  return reply_of(make(lock, change.source(), parent, name, S_IFDIR | (mode & 07777U), caller));
}

NodeReply IngestView::make_node(NodeId parent, std::string_view name, mode_t mode,
                                std::uint32_t major, std::uint32_t minor, const Caller& caller) {
  if (parent == kIngestRoot) throw FsError{EPERM};
  if ((mode & S_IFMT) == 0) mode |= S_IFREG;
  if (repo::entry_type(mode) == repo::EntryType::ENTRY_UNSPECIFIED || S_ISDIR(mode) ||
      S_ISLNK(mode)) {
    throw FsError{EINVAL};
  }
  const bool device = S_ISCHR(mode) || S_ISBLK(mode);
  if (device && !context_.options.privileged) throw FsError{EPERM};
  SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode =
      make(lock, change.source(), parent, name, mode & (S_IFMT | 07777U), caller);
  if (device) {
    inode->device_major = major;
    inode->device_minor = minor;
  }
  return reply_of(inode);
}

NodeReply IngestView::make_symlink(NodeId parent, std::string_view name, std::string_view target,
                                   const Caller& caller) {
  if (parent == kIngestRoot) throw FsError{EPERM};
  if (target.empty()) throw FsError{ENOENT};
  if (target.size() > repo::kMaxSymlinkBytes) throw FsError{ENAMETOOLONG};
  SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode = make(lock, change.source(), parent, name, S_IFLNK | 0777U, caller);
  inode->target = std::make_unique<std::string>(target);
  inode->bytes = target.size();
  return reply_of(inode);
}

NodeReply IngestView::make_link(NodeId node, NodeId new_parent, std::string_view new_name) {
  if (new_parent == kIngestRoot) throw FsError{EPERM};
  check_name(new_name);
  SourceChange change = change_of(new_parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  const InodePtr directory = context_.tree.find_directory(new_parent);
  if (inode->source != directory->source) throw FsError{EXDEV};
  if (inode->is_directory()) throw FsError{EPERM};
  check_linked(*directory);
  const auto found = context_.tree.resolve(lock, directory, new_name);
  if (found.inode) throw FsError{EEXIST};
  if (inode->link_count == 0) throw FsError{ENOENT};
  if (inode->link_count >= 0x7FFFFFFFU) throw FsError{EMLINK};
  ++inode->link_count;
  touch(*inode, false);
  context_.tree.link(*directory, new_name, inode, found.in_base);
  ++change.source().totals.count_of(inode->mode);
  touch(*directory, true);
  return reply_of(inode);
}

void IngestView::drop_name(Inode& directory, std::string_view name, const InodePtr& inode) {
  IngestSource& source = *directory.source;
  context_.tree.unlink(directory, name);
  --source.totals.count_of(inode->mode);
  if (inode->is_directory()) {
    inode->link_count = 0;
    return;
  }
  if (inode->link_count > 0) --inode->link_count;
  inode->ctime = context_.clock.now();
  if (inode->link_count != 0) {
    // Its other names say how many there are.
    context_.tree.mark_dirty(*inode);
    return;
  }
  if (inode->is_file()) source.totals.bytes -= static_cast<std::int64_t>(inode->bytes);
  source.changed_groups.erase(inode->link_group);
  source.forget_link_group(*inode);
  source.flushed.notify_all();  // nobody has to wait for its writers any more
  if (inode->handles == 0) {
    // The journal's list may keep the inode for minutes, but nobody needs its bytes.
    inode->content = nullptr;
    inode->stored = nullptr;
    context_.runs.note(inode, 0);
  }
}

void IngestView::remove_file(NodeId parent, std::string_view name) {
  if (parent == kIngestRoot) throw FsError{EPERM};
  const SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr directory = context_.tree.find_directory(parent);
  const InodePtr inode = context_.tree.resolve(lock, directory, name).inode;
  if (!inode) throw FsError{ENOENT};
  if (inode->is_directory()) throw FsError{EISDIR};
  drop_name(*directory, name, inode);
  touch(*directory, true);
}

bool IngestView::is_empty(TreeLock& lock, const InodePtr& directory) {
  const auto& children = directory->directory->children;
  const auto has_name = [&] {
    return std::any_of(children.begin(), children.end(),
                       [](const auto& child) { return child.second.inode != nullptr; });
  };
  if (has_name()) return false;
  if (!directory->directory->base) return true;
  repo::DirectoryReader reader{*directory->source->trees, directory->directory->base};
  std::string name;
  for (;;) {
    lock.unlock();
    const repo::Entry* entry = nullptr;
    try {
      entry = reader.next();
    } catch (...) {
      lock.lock();
      throw;
    }
    lock.lock();
    if (entry == nullptr) return !has_name();
    if (!children.contains(entry->name())) return false;
  }
}

void IngestView::remove_directory(NodeId parent, std::string_view name) {
  if (parent == kIngestRoot) {
    remove_source(name);
    return;
  }
  const SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr directory = context_.tree.find_directory(parent);
  const InodePtr inode = context_.tree.resolve(lock, directory, name).inode;
  if (!inode) throw FsError{ENOENT};
  if (!inode->is_directory()) throw FsError{ENOTDIR};
  if (!is_empty(lock, inode)) throw FsError{ENOTEMPTY};
  drop_name(*directory, name, inode);
  touch(*directory, true);
}

void IngestView::rename(NodeId parent, std::string_view name, NodeId new_parent,
                        std::string_view new_name, RenameMode mode) {
  // Sources keep their names, and only directories lie beside them.
  if (parent == kIngestRoot || new_parent == kIngestRoot) throw FsError{EPERM};
  check_name(new_name);
  if (&source_of(parent) != &source_of(new_parent)) {
    rename_across(parent, name, new_parent, new_name, mode);
    return;
  }
  const SourceChange change = change_of(parent);
  TreeLock lock{context_.tree.mutex};
  const InodePtr from = context_.tree.find_directory(parent);
  const InodePtr to = context_.tree.find_directory(new_parent);
  if (from->source != to->source) throw FsError{EXDEV};
  rename_within(lock, from, name, to, new_name, mode);
}

void IngestView::rename_within(TreeLock& lock, const InodePtr& from, std::string_view name,
                               const InodePtr& to, std::string_view new_name, RenameMode mode) {
  IngestTree& tree = context_.tree;
  check_linked(*to);
  const InodePtr inode = tree.resolve(lock, from, name).inode;
  const auto target = tree.resolve(lock, to, new_name);
  if (!inode) throw FsError{ENOENT};
  if (mode == RenameMode::exchange && !target.inode) throw FsError{ENOENT};
  if (mode == RenameMode::no_replace && target.inode) throw FsError{EEXIST};
  if (inode == target.inode) return;
  for (const Inode* at = to.get();; at = at->links.front().parent) {
    if (at == inode.get()) throw FsError{EINVAL};
    if (at->links.empty()) break;
  }
  if (inode->is_directory() && IngestTree::depth_of(*to) >= repo::kMaxDirectoryDepth)
    throw FsError{ENAMETOOLONG};
  const bool was_in_base = from->directory->children.find(name)->second.in_base;
  if (mode == RenameMode::exchange) {
    tree.unlink(*from, name);
    tree.unlink(*to, new_name);
    tree.link(*from, name, target.inode, was_in_base);
    tree.link(*to, new_name, inode, target.in_base);
    touch(*target.inode, false);
  } else {
    if (target.inode) {
      if (inode->is_directory() && !target.inode->is_directory()) throw FsError{ENOTDIR};
      if (!inode->is_directory() && target.inode->is_directory()) throw FsError{EISDIR};
      if (target.inode->is_directory() && !is_empty(lock, target.inode)) throw FsError{ENOTEMPTY};
      drop_name(*to, new_name, target.inode);
    }
    tree.unlink(*from, name);
    tree.link(*to, new_name, inode, target.in_base);
  }
  touch(*inode, false);
  touch(*from, true);
  if (to != from) touch(*to, true);
}

void IngestView::rename_across(NodeId parent, std::string_view name, NodeId new_parent,
                               std::string_view new_name, RenameMode mode) {
  if (mode == RenameMode::exchange) throw FsError{EXDEV};
  CrossSourceMove move{context_, source_of(parent), source_of(new_parent)};
  // Both sources are still now: nothing can come between.
  TreeLock lock{context_.tree.mutex};
  const InodePtr from = context_.tree.find_directory(parent);
  const InodePtr to = context_.tree.find_directory(new_parent);
  if (!move.is_between(*from, *to)) throw FsError{EXDEV};
  check_linked(*to);
  const InodePtr inode = context_.tree.resolve(lock, from, name).inode;
  const auto target = context_.tree.resolve(lock, to, new_name);
  if (!inode) throw FsError{ENOENT};
  if (mode == RenameMode::no_replace && target.inode) throw FsError{EEXIST};
  if (target.inode) {
    if (inode->is_directory() && !target.inode->is_directory()) throw FsError{ENOTDIR};
    if (!inode->is_directory() && target.inode->is_directory()) throw FsError{EISDIR};
    if (target.inode->is_directory() && !is_empty(lock, target.inode)) throw FsError{ENOTEMPTY};
  }
  lock.unlock();
  move.prepare(inode);
  lock.lock();
  if (target.inode) drop_name(*to, new_name, target.inode);
  move.move(inode, *from, name, *to, new_name, target.in_base);
  touch(*inode, false);
  touch(*from, true);
  touch(*to, true);
  lock.unlock();
  move.finish();
}

}  // namespace vgerfs::fs
