#include "repo/scan.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

#include "base/error.h"
#include "repo/file_entry.h"
#include "repo/file_failure.h"

namespace vgerfs::repo {
namespace {

/// Levels from the root, and from the walk's place upwards, whose descriptors stay open.
constexpr std::size_t kUpperLevels = 32;
constexpr std::size_t kLowerLevels = 32;

constexpr std::size_t kListingBytes = 256 * 1024;

// Most are in <linux/magic.h>, but not in every version of it.
constexpr std::array<std::uint32_t, 16> kKernelFileSystems{
    0x9fa0,      // proc
    0x62656572,  // sysfs
    0x27e0eb,    // cgroup
    0x63677270,  // cgroup2
    0x64626720,  // debugfs
    0x74726163,  // tracefs
    0x73636673,  // securityfs
    0xcafe4a11,  // bpf
    0x6165676c,  // pstore
    0x62656570,  // configfs
    0x1cd1,      // devpts
    0xf97cff8c,  // selinuxfs
    0xde5e81e4,  // efivarfs
    0x19800202,  // mqueue
    0x42494e4d,  // binfmt_misc
    0x67596969,  // rpc_pipefs
};

}  // namespace

void NameList::add(std::string_view name) {
  starts_.push_back(text_.size());
  text_.append(name);
  text_.push_back('\0');
}

void NameList::sort() {
  // strcmp compares as unsigned bytes, and no name has a NUL.
  std::sort(starts_.begin(), starts_.end(), [this](std::size_t a, std::size_t b) {
    return std::strcmp(text_.data() + a, text_.data() + b) < 0;
  });
}

bool NameList::contains(std::string_view name) const noexcept {
  const auto place = std::lower_bound(starts_.begin(), starts_.end(), name,
                                      [this](std::size_t start, std::string_view wanted) {
                                        return std::string_view{text_.data() + start} < wanted;
                                      });
  return place != starts_.end() && std::string_view{text_.data() + *place} == name;
}

Listing list_directory(int fd) {
  Listing listing;
  const auto buffer = std::make_unique<std::array<char, kListingBytes>>();
  for (;;) {
    const ssize_t count = ::getdents64(fd, buffer->data(), buffer->size());
    if (count < 0) {
      if (errno == EINTR) continue;
      listing.error_number = errno;
      break;
    }
    if (count == 0) break;
    for (std::size_t at = 0; at < static_cast<std::size_t>(count);) {
      std::uint16_t record_bytes = 0;
      std::memcpy(&record_bytes, buffer->data() + at + offsetof(dirent64, d_reclen),
                  sizeof record_bytes);
      const std::string_view name{buffer->data() + at + offsetof(dirent64, d_name)};
      if (name != "." && name != "..") listing.names.add(name);
      at += record_bytes;
    }
  }
  listing.names.sort();
  return listing;
}

std::optional<struct ::stat> stat_at(int directory, const char* name) {
  struct ::stat attributes {};
  if (::fstatat(directory, name, &attributes, AT_SYMLINK_NOFOLLOW) == 0) return attributes;
  if (errno == ENOENT || errno == ESTALE) return std::nullopt;
  throw source_error(errno, "reading attributes");
}

bool is_kernel_file_system(int fd) {
  struct ::statfs info {};
  if (::fstatfs(fd, &info) != 0) throw source_error(errno, "reading the file system's type");
  return std::find(kKernelFileSystems.begin(), kKernelFileSystems.end(),
                   static_cast<std::uint32_t>(info.f_type)) != kKernelFileSystems.end();
}

DirectoryPath::DirectoryPath(Fd root, const struct ::stat& attributes) {
  enter({}, std::move(root), attributes);
}

void DirectoryPath::enter(std::string name, Fd directory, const struct ::stat& attributes,
                          Links links) {
  left_.reset();
  levels_.push_back({std::move(name), links, attributes.st_dev, attributes.st_ino,
                     std::make_shared<const Fd>(std::move(directory))});
  if (levels_.size() > kUpperLevels + kLowerLevels)
    levels_[levels_.size() - 1 - kLowerLevels].fd.reset();
}

void DirectoryPath::leave() {
  VGERFS_CHECK(levels_.size() > 1);
  left_.reset();
  // A thread may still use the descriptor: take one of our own for the way up.
  if (const auto& parent = levels_[levels_.size() - 2]; !parent.fd && levels_.back().fd) {
    left_ = Fd{::fcntl(levels_.back().fd->get(), F_DUPFD_CLOEXEC, 0)};
  }
  levels_.pop_back();
}

bool DirectoryPath::reopen(Level& level, int directory, const std::string& name,
                           Links links) const {
  const int follow = links == Links::followed ? 0 : O_NOFOLLOW;
  Fd fd{::openat(directory, name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC | follow)};
  struct ::stat attributes {};
  if (!fd || ::fstat(fd.get(), &attributes) != 0) return false;
  if (attributes.st_dev != level.device || attributes.st_ino != level.inode) return false;
  level.fd = std::make_shared<const Fd>(std::move(fd));
  return true;
}

std::shared_ptr<const Fd> DirectoryPath::current() {
  Level& level = levels_.back();
  if (level.fd) return level.fd;
  if (left_ && reopen(level, left_.get(), "..", Links::never_followed)) return level.fd;
  // Down from the last level that is open; the root always is. What lies between stays closed.
  std::size_t at = levels_.size() - 1;
  while (!levels_[at].fd) --at;
  std::shared_ptr<const Fd> parent = levels_[at].fd;
  for (++at; at < levels_.size(); ++at) {
    Level step{levels_[at].name, levels_[at].links, levels_[at].device, levels_[at].inode, nullptr};
    if (!reopen(step, parent->get(), step.name, step.links)) {
      throw FileError{FailureKind::changed, "the directory was moved or removed while it was read"};
    }
    parent = step.fd;
  }
  level.fd = parent;
  return level.fd;
}

}  // namespace vgerfs::repo
