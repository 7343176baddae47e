#include "fs/fuse/slots.h"

#include <algorithm>

#include "fs/fuse/binding.h"

namespace vgerfs::fs {
namespace {

constexpr unsigned kMaxWriteBytes = 1U << 20;
constexpr unsigned kMaxBackground = 64;  // read-ahead requests on their way at once

void want(fuse_conn_info& connection, unsigned capability) {
  connection.want |= connection.capable & capability;
}

void init(void* userdata, fuse_conn_info* connection) {
  connection->max_write = std::min(connection->max_write, kMaxWriteBytes);
  connection->max_background = kMaxBackground;
  connection->congestion_threshold = kMaxBackground / 4 * 3;
  // Modes arrive unmasked: umask and inheritance of default ACLs are ours.
  want(*connection, FUSE_CAP_POSIX_ACL | FUSE_CAP_DONT_MASK);
  want(*connection, FUSE_CAP_CACHE_SYMLINKS | FUSE_CAP_READDIRPLUS);
  // `auto` reads all but the first buffer of a large directory without attributes, and then looks
  // every name up.
  connection->want &= ~static_cast<unsigned>(FUSE_CAP_READDIRPLUS_AUTO);
  static_cast<Binding*>(userdata)->set_ready();
}

fuse_lowlevel_ops make_operations() {
  fuse_lowlevel_ops ops{};
  ops.init = init;
  ops.lookup = slots::lookup;
  ops.forget = slots::forget;
  ops.forget_multi = slots::forget_multi;
  ops.getattr = slots::getattr;
  ops.setattr = slots::setattr;
  ops.readlink = slots::readlink;
  ops.statfs = slots::statfs;
  ops.mknod = slots::mknod;
  ops.mkdir = slots::mkdir;
  ops.symlink = slots::symlink;
  ops.link = slots::link;
  ops.unlink = slots::unlink;
  ops.rmdir = slots::rmdir;
  ops.rename = slots::rename;
  ops.open = slots::open;
  ops.create = slots::create;
  ops.read = slots::read;
  ops.write = slots::write;
  ops.fallocate = slots::fallocate;
  ops.lseek = slots::lseek;
  ops.flush = slots::flush;
  ops.release = slots::release;
  ops.fsync = slots::fsync;
  ops.opendir = slots::opendir;
  ops.readdir = slots::readdir;
  ops.readdirplus = slots::readdirplus;
  ops.releasedir = slots::releasedir;
  ops.fsyncdir = slots::fsyncdir;
  ops.getxattr = slots::getxattr;
  ops.listxattr = slots::listxattr;
  ops.setxattr = slots::setxattr;
  ops.removexattr = slots::removexattr;
  // Not here, and so ENOSYS, once: copy_file_range, which the kernel turns into a copy through its
  // own buffers (cp and it fall back), O_TMPFILE (EOPNOTSUPP), ioctl (ENOTTY; FICLONE never reaches
  // a file system like this one: EOPNOTSUPP), locks (then kept by the kernel) and poll.
  return ops;
}

}  // namespace

const fuse_lowlevel_ops& operations() {
  static const fuse_lowlevel_ops kOperations = make_operations();
  return kOperations;
}

}  // namespace vgerfs::fs
