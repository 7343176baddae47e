#include "fs/mount_root.h"

#include <sys/stat.h>

#include <cerrno>

namespace vgerfs::fs {

MountRoot::MountRoot(Views views, uid_t owner_uid, gid_t owner_gid, Timestamp time)
    : views_(views), owner_uid_(owner_uid), owner_gid_(owner_gid), time_(time) {}

NodeReply MountRoot::lookup(NodeId /*parent*/, std::string_view name) {
  if (views_.ingest != nullptr && name == kIngestName) {
    NodeReply reply = views_.ingest->root();
    ingest_root_.store(reply.node, std::memory_order_relaxed);
    return reply;
  }
  if (views_.control != nullptr && name == kControlName) return views_.control->root();
  if (views_.browse != nullptr) return views_.browse->lookup(kRootNode, name);
  throw FsError{ENOENT};
}

void MountRoot::forget(NodeId /*node*/, std::uint64_t /*count*/) noexcept {}

Attributes MountRoot::get_attributes(NodeId /*node*/) {
  Attributes attributes;
  attributes.inode = kRootNode;
  attributes.mode = S_IFDIR | 0555;
  attributes.uid = owner_uid_;
  attributes.gid = owner_gid_;
  attributes.atime = attributes.mtime = attributes.ctime = time_;
  return attributes;
}

std::string MountRoot::read_link(NodeId /*node*/) { throw FsError{EINVAL}; }

void MountRoot::read_directory(NodeId /*node*/, std::uint64_t cookie, bool with_attributes,
                               const DirectorySink& sink) {
  if (!offer_dots(kRootNode, kRootNode, cookie, sink)) return;
  std::vector<std::string_view> names;
  if (views_.browse != nullptr) names = {kSnapshotsName, kIdsName};
  if (views_.ingest != nullptr) names.push_back(kIngestName);
  if (views_.control != nullptr) names.push_back(kControlName);
  for (std::uint64_t i = cookie > kFirstCookie ? cookie - kFirstCookie : 0; i < names.size(); ++i) {
    const NodeReply reply = lookup(kRootNode, names[i]);
    DirectoryItem item{
        .name = names[i], .next_cookie = kFirstCookie + i + 1, .attributes = reply.attributes};
    if (with_attributes) item.node = reply.node;
    const bool taken = sink(item);
    if (!taken || !with_attributes) give_back(reply.node);
    if (!taken) return;
  }
}

void MountRoot::give_back(NodeId node) noexcept {
  switch (view_of(node)) {
    case View::browse: views_.browse->forget(node, 1); return;
    case View::control: views_.control->forget(node, 1); return;
    case View::ingest: views_.ingest->forget(node, 1); return;
  }
}

Bytes MountRoot::get_xattr(NodeId /*node*/, std::string_view /*name*/) { throw FsError{ENODATA}; }

std::vector<std::string> MountRoot::list_xattrs(NodeId /*node*/) { return {}; }

}  // namespace vgerfs::fs
