#include "fs/fuse/reply.h"

#include <sys/sysmacros.h>

#include <cerrno>

#include "base/error.h"

namespace vgerfs::fs {
namespace {

timespec timespec_of(Timestamp time) { return {.tv_sec = time.s, .tv_nsec = time.ns}; }

iovec iovec_of(ByteView bytes) {
  // The interface of writev(2) takes no const; it reads only.
  return {.iov_base = const_cast<std::byte*>(bytes.data()), .iov_len = bytes.size()};
}

}  // namespace

struct stat stat_of(const Attributes& attributes) {
  struct stat stat {};
  stat.st_ino = attributes.inode;
  stat.st_mode = attributes.mode;
  stat.st_nlink = attributes.link_count;
  stat.st_uid = attributes.uid;
  stat.st_gid = attributes.gid;
  stat.st_rdev = makedev(attributes.device_major, attributes.device_minor);
  stat.st_size = static_cast<off_t>(attributes.size);
  stat.st_blksize = 4096;
  stat.st_blocks = static_cast<blkcnt_t>(attributes.blocks);
  stat.st_atim = timespec_of(attributes.atime);
  stat.st_mtim = timespec_of(attributes.mtime);
  stat.st_ctim = timespec_of(attributes.ctime);
  return stat;
}

fuse_entry_param entry_of(const NodeReply& node, Lifetime lifetime) {
  fuse_entry_param entry{};
  entry.ino = node.node;
  entry.attr = stat_of(node.attributes);
  entry.entry_timeout = lifetime.entry_s;
  entry.attr_timeout = lifetime.attributes_s;
  return entry;
}

Reply::~Reply() {
  if (request_ != nullptr) ::fuse_reply_err(request_, EIO);
}

void Reply::error(int error_number) {
  if (request_ != nullptr) ::fuse_reply_err(take(), error_number);
}

bool Reply::entry(const NodeReply& node, Lifetime lifetime) {
  const fuse_entry_param entry = entry_of(node, lifetime);
  return ::fuse_reply_entry(take(), &entry) == 0;
}

void Reply::absent(double entry_s) {
  fuse_entry_param entry{};
  entry.entry_timeout = entry_s;
  ::fuse_reply_entry(take(), &entry);
}

void Reply::attributes(const Attributes& attributes, double attributes_s) {
  const struct stat stat = stat_of(attributes);
  ::fuse_reply_attr(take(), &stat, attributes_s);
}

void Reply::link(const std::string& target) { ::fuse_reply_readlink(take(), target.c_str()); }

bool Reply::opened(const fuse_file_info& info) { return ::fuse_reply_open(take(), &info) == 0; }

bool Reply::created(const NodeReply& node, Lifetime lifetime, const fuse_file_info& info) {
  const fuse_entry_param entry = entry_of(node, lifetime);
  return ::fuse_reply_create(take(), &entry, &info) == 0;
}

bool Reply::bytes(ByteView bytes) {
  return ::fuse_reply_buf(take(), reinterpret_cast<const char*>(bytes.data()), bytes.size()) == 0;
}

void Reply::pieces(const std::vector<ByteView>& pieces) {
  std::vector<iovec> vectors;
  vectors.reserve(pieces.size());
  for (const ByteView piece : pieces) vectors.push_back(iovec_of(piece));
  ::fuse_reply_iov(take(), vectors.data(), static_cast<int>(vectors.size()));
}

void Reply::written(std::size_t size) { ::fuse_reply_write(take(), size); }

void Reply::offset(std::uint64_t offset) { ::fuse_reply_lseek(take(), static_cast<off_t>(offset)); }

void Reply::statistics(const FsStatistics& statistics) {
  struct statvfs stat {};
  stat.f_bsize = stat.f_frsize = statistics.block_bytes;
  stat.f_blocks = statistics.blocks;
  stat.f_bfree = stat.f_bavail = statistics.free_blocks;
  stat.f_namemax = 255;
  ::fuse_reply_statfs(take(), &stat);
}

void Reply::xattr(ByteView value, std::size_t size) {
  if (size == 0) {
    ::fuse_reply_xattr(take(), value.size());
  } else if (value.size() > size) {
    error(ERANGE);
  } else {
    bytes(value);
  }
}

}  // namespace vgerfs::fs
