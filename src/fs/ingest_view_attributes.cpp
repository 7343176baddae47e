// Attributes and extended attributes, and what ties them together: set-id bits, capabilities, ACLs.
#include <linux/xattr.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "fs/ingest_view.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

constexpr std::string_view kCapabilityName = "security.capability";
constexpr std::string_view kOwnPrefix = "user.vgerfs.";
constexpr std::string_view kCommitName = "user.vgerfs.commit";
constexpr std::string_view kSnapshotName = "user.vgerfs.snapshot";
constexpr std::string_view kStateName = "user.vgerfs.state";
constexpr std::string_view kExplicit = "explicit";
constexpr std::string_view kFsync = "fsync";

/// All values of one inode, and what of them lies in its entry: more would not fit where they are
/// kept, a record of the journal and a node of a tree.
constexpr std::size_t kMaxXattrsBytes = std::size_t{8} << 20;
constexpr std::size_t kMaxEntryBytes = repo::kMaxNodeBytes / 2;
constexpr std::size_t kMaxListBytes = 64 * 1024;  // what listxattr(2) can give

bool has_prefix(std::string_view text, std::string_view prefix) {
  return text.substr(0, prefix.size()) == prefix;
}

void check_xattr_name(std::string_view name) {
  if (name.size() > repo::kMaxNameBytes) throw FsError{ERANGE};
  const bool known = has_prefix(name, "user.") || has_prefix(name, "trusted.") ||
                     has_prefix(name, "security.") || name == kAccessAclName ||
                     name == kDefaultAclName;
  if (!known) throw FsError{EOPNOTSUPP};
}

Xattrs& xattrs_of(Inode& inode) {
  if (!inode.xattrs) inode.xattrs = std::make_unique<Xattrs>();
  return *inode.xattrs;
}

/// What an xattr takes in its entry, about.
std::size_t entry_bytes(std::size_t name_bytes, std::size_t value_bytes) {
  constexpr std::size_t kFraming = 16;
  return kFraming + name_bytes +
         (value_bytes > repo::kMaxInlineXattrBytes ? ChunkId::kSize : value_bytes);
}

void erase_xattr(Inode& inode, std::string_view name) {
  if (!inode.xattrs) return;
  if (const auto found = inode.xattrs->find(name); found != inode.xattrs->end())
    inode.xattrs->erase(found);
  if (inode.xattrs->empty()) inode.xattrs = nullptr;
}

/// chmod by somebody who is not in the file's group does not set set-gid.
mode_t without_foreign_set_gid(mode_t mode, const Inode& inode, const Caller& caller) {
  if (caller.uid != 0 && caller.gid != inode.gid) mode &= ~mode_t{S_ISGID};
  return mode;
}

}  // namespace

bool IngestView::strip_privileges(Inode& inode, const Caller& caller) {
  bool stripped = false;
  if (inode.xattrs && inode.xattrs->contains(kCapabilityName)) {
    erase_xattr(inode, kCapabilityName);
    stripped = true;
  }
  if (caller.uid == 0) return stripped;
  mode_t kept = inode.mode & ~mode_t{S_ISUID};
  // Without group execution set-gid means something else: only members of the group keep it.
  if ((kept & S_IXGRP) != 0 || caller.gid != inode.gid) kept &= ~mode_t{S_ISGID};
  if (kept != inode.mode) stripped = true;
  inode.mode = kept;
  return stripped;
}

/// A chmod -R that finds all as it should be is no reason for a snapshot. Times of access are not
/// kept.
bool IngestView::is_change(NodeId node, const AttributeChange& change) {
  const TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  // chown(2) strips even if it changes nothing else.
  const bool owned = change.uid || change.gid;
  const bool strips = owned && ((inode->mode & (S_ISUID | S_ISGID)) != 0 ||
                                (inode->xattrs && inode->xattrs->contains(kCapabilityName)));
  return strips || change.mtime_now ||
         (change.mode && (*change.mode & 07777U) != (inode->mode & 07777U)) ||
         (change.uid && *change.uid != inode->uid) || (change.gid && *change.gid != inode->gid) ||
         (change.mtime && *change.mtime != inode->mtime);
}

Attributes IngestView::set_attributes(NodeId node, std::optional<HandleId> /*handle*/,
                                      const AttributeChange& change, const Caller& caller) {
  if (node == kIngestRoot) throw FsError{EPERM};
  if (change.size) truncate(node, *change.size, caller);
  if (!is_change(node, change)) return get_attributes(node);
  const SourceChange source_change = change_of(node);
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  if (!context_.options.privileged && change.uid && *change.uid != inode->uid && caller.uid != 0)
    throw FsError{EPERM};
  if (change.mode && inode->xattrs && inode->xattrs->contains(kAccessAclName)) {
    auto value = xattr_of(lock, inode, kAccessAclName);
    if (auto acl = value ? parse_acl(*value) : std::nullopt) {
      chmod_acl(*acl, *change.mode);
      (*inode->xattrs)[std::string{kAccessAclName}] = {.value = encode_acl(*acl),
                                                       .chunk = std::nullopt};
    }
  }
  if (change.uid || change.gid) {
    // chown(2) takes set-id bits and capabilities of anything but a directory, whoever calls.
    if (!inode->is_directory()) {
      inode->mode &= ~mode_t{S_ISUID};
      if ((inode->mode & S_IXGRP) != 0) inode->mode &= ~mode_t{S_ISGID};
      erase_xattr(*inode, kCapabilityName);
    }
    if (change.uid && *change.uid != inode->uid) {
      inode->uid = *change.uid;
      inode->user = nullptr;
    }
    if (change.gid && *change.gid != inode->gid) {
      inode->gid = *change.gid;
      inode->group = nullptr;
    }
  }
  if (change.mode) inode->mode = (inode->mode & S_IFMT) | (*change.mode & 07777U);
  inode->ctime = context_.clock.now();
  if (change.mtime_now) inode->mtime = inode->ctime;
  if (change.mtime) inode->mtime = *change.mtime;
  context_.tree.mark_dirty(*inode);
  return attributes_of(*inode);
}

std::optional<Bytes> IngestView::xattr_of(TreeLock& lock, const InodePtr& inode,
                                          std::string_view name) {
  for (;;) {
    if (!inode->xattrs) return std::nullopt;
    const auto found = inode->xattrs->find(name);
    if (found == inode->xattrs->end()) return std::nullopt;
    if (!found->second.chunk) return found->second.value;
    const ChunkId chunk = *found->second.chunk;
    if (inode->source == nullptr) throw FsError{ESTALE};
    const auto trees = inode->source->trees;
    lock.unlock();
    Bytes value;
    try {
      value = trees->get(repo::ChunkKind::blob, chunk);
    } catch (...) {
      lock.lock();
      throw;
    }
    lock.lock();
    // Whatever it was set to meanwhile counts.
    const auto now = inode->xattrs ? inode->xattrs->find(name) : Xattrs::iterator{};
    if (inode->xattrs && now != inode->xattrs->end() && now->second.chunk == chunk) return value;
  }
}

std::optional<Bytes> IngestView::own_xattr(const Inode& inode, std::string_view name) const {
  const IngestSource& source = *inode.source;
  if (source.root.get() != &inode) return std::nullopt;
  const auto text = [](std::string_view value) {
    const ByteView bytes = bytes_of(value);
    return Bytes{bytes.begin(), bytes.end()};
  };
  if (name == kCommitName) return text(source.explicit_commit ? kExplicit : kFsync);
  if (name == kStateName) return text(source.is_dirty() ? "dirty" : "clean");
  if (name == kSnapshotName && source.base) return text(source.base->id.hex());
  return std::nullopt;
}

bool IngestView::set_own_xattr(const InodePtr& inode, std::string_view name,
                               std::optional<ByteView> value) {
  if (inode->source->root != inode || name != kCommitName) throw FsError{EPERM};
  const std::string_view text = value ? text_of(*value) : kFsync;
  if (text != kExplicit && text != kFsync) throw FsError{EINVAL};
  inode->source->explicit_commit = text == kExplicit;
  return true;
}

Bytes IngestView::get_xattr(NodeId node, std::string_view name) {
  if (node == kIngestRoot) throw FsError{ENODATA};
  TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  auto value = has_prefix(name, kOwnPrefix) ? own_xattr(*inode, name) : xattr_of(lock, inode, name);
  if (!value) throw FsError{ENODATA};
  return std::move(*value);
}

std::vector<std::string> IngestView::list_xattrs(NodeId node) {
  if (node == kIngestRoot) return {};
  const TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  std::vector<std::string> names;
  if (inode->xattrs) {
    for (const auto& [name, slot] : *inode->xattrs) names.push_back(name);
  }
  return names;
}

void IngestView::set_access_acl(Inode& inode, const Acl& acl, const Caller& caller) {
  inode.mode = without_foreign_set_gid(mode_with_acl(inode.mode, acl), inode, caller);
  if (is_minimal(acl)) {
    erase_xattr(inode, kAccessAclName);
  } else {
    xattrs_of(inode)[std::string{kAccessAclName}] = {.value = encode_acl(acl),
                                                     .chunk = std::nullopt};
  }
}

void IngestView::set_xattr(NodeId node, std::string_view name, ByteView value, bool create_only,
                           bool replace_only, const Caller& caller) {
  if (node == kIngestRoot) throw FsError{EPERM};
  if (has_prefix(name, kOwnPrefix)) {
    const TreeLock lock{context_.tree.mutex};
    set_own_xattr(context_.tree.find(node), name, value);
    return;
  }
  check_xattr_name(name);
  if (value.size() > repo::kMaxXattrValueBytes) throw FsError{E2BIG};
  const SourceChange change = change_of(node);
  const TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  const bool present = inode->xattrs && inode->xattrs->contains(name);
  if (create_only && present) throw FsError{EEXIST};
  if (replace_only && !present) throw FsError{ENODATA};
  if (name == kAccessAclName || name == kDefaultAclName) {
    if (S_ISLNK(inode->mode)) throw FsError{EOPNOTSUPP};
    // An empty default ACL is none.
    const auto acl = parse_acl(value);
    if (!acl && value.size() > 4) throw FsError{EINVAL};
    if (name == kDefaultAclName) {
      if (!inode->is_directory()) throw FsError{acl ? EACCES : 0};
      erase_xattr(*inode, name);
      if (acl)
        xattrs_of(*inode)[std::string{name}] = {.value = encode_acl(*acl), .chunk = std::nullopt};
    } else {
      if (!acl) throw FsError{EINVAL};
      set_access_acl(*inode, *acl, caller);
    }
    touch(*inode, false);
    return;
  }
  std::size_t values = value.size();
  std::size_t names = name.size() + 1;
  std::size_t entry = entry_bytes(name.size(), value.size());
  if (inode->xattrs) {
    for (const auto& [other, slot] : *inode->xattrs) {
      if (other == name) continue;
      values += slot.value.size();
      names += other.size() + 1;
      entry += entry_bytes(other.size(), slot.chunk ? ChunkId::kSize : slot.value.size());
    }
  }
  if (values > kMaxXattrsBytes || names > kMaxListBytes || entry > kMaxEntryBytes)
    throw FsError{ENOSPC};
  xattrs_of(*inode)[std::string{name}] = {.value = {value.begin(), value.end()},
                                          .chunk = std::nullopt};
  touch(*inode, false);
}

void IngestView::remove_xattr(NodeId node, std::string_view name, const Caller& /*caller*/) {
  if (node == kIngestRoot) throw FsError{ENODATA};
  if (has_prefix(name, kOwnPrefix)) {
    const TreeLock lock{context_.tree.mutex};
    set_own_xattr(context_.tree.find(node), name, std::nullopt);
    return;
  }
  {
    const TreeLock lock{context_.tree.mutex};
    const InodePtr inode = context_.tree.find(node);
    if (!inode->xattrs || !inode->xattrs->contains(name)) throw FsError{ENODATA};
  }
  const SourceChange change = change_of(node);
  const TreeLock lock{context_.tree.mutex};
  const InodePtr inode = context_.tree.find(node);
  erase_xattr(*inode, name);
  touch(*inode, false);
}

}  // namespace vgerfs::fs
