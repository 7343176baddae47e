#include "repo/file_entry.h"

#include <fcntl.h>
#include <grp.h>
#include <pwd.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "repo/file_failure.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

/// The kernel lets no list of names grow longer.
constexpr std::size_t kMaxXattrListBytes = 64 * 1024;

/// Calls get…_r with a buffer that grows. A failed look-up counts as unknown: the number is what is
/// restored.
template <class Record, class Number, class Lookup, class Name>
std::string lookup_name(Number number, Lookup lookup, Name name) {
  std::vector<char> buffer(1024);
  for (;;) {
    Record record{};
    Record* found = nullptr;
    const int result = lookup(number, &record, buffer.data(), buffer.size(), &found);
    if (result == ERANGE && buffer.size() < (std::size_t{1} << 20)) {
      buffer.resize(buffer.size() * 4);
      continue;
    }
    return result == 0 && found != nullptr ? std::string{name(*found)} : std::string{};
  }
}

ssize_t list_xattrs(int fd, Access access, char* out, std::size_t bytes) {
  if (access == Access::open) return ::flistxattr(fd, out, bytes);
  return ::listxattr(descriptor_path(fd).c_str(), out, bytes);
}

ssize_t get_xattr(int fd, Access access, const char* name, void* out, std::size_t bytes) {
  if (access == Access::open) return ::fgetxattr(fd, name, out, bytes);
  return ::getxattr(descriptor_path(fd).c_str(), name, out, bytes);
}

/// NUL-terminated names, one after another.
std::string xattr_names(int fd, Access access) {
  std::array<char, 1024> small;
  ssize_t count = list_xattrs(fd, access, small.data(), small.size());
  if (count >= 0) return {small.data(), static_cast<std::size_t>(count)};
  if (errno == ERANGE) {
    std::string names(kMaxXattrListBytes, '\0');
    count = list_xattrs(fd, access, names.data(), names.size());
    if (count >= 0) {
      names.resize(static_cast<std::size_t>(count));
      return names;
    }
  }
  if (errno == ENOTSUP) return {};
  throw source_error(errno, "listing extended attributes");
}

}  // namespace

const std::string& OwnerNames::user(uid_t uid) {
  return name_of(users_, uid, [uid] {
    return lookup_name<passwd>(uid, ::getpwuid_r,
                               [](const passwd& record) { return record.pw_name; });
  });
}

const std::string& OwnerNames::group(gid_t gid) {
  return name_of(groups_, gid, [gid] {
    return lookup_name<::group>(gid, ::getgrgid_r,
                                [](const ::group& record) { return record.gr_name; });
  });
}

template <class Number, class Lookup>
const std::string& OwnerNames::name_of(std::unordered_map<Number, std::string>& names,
                                       Number number, Lookup lookup) {
  {
    const std::lock_guard lock{mutex_};
    if (const auto found = names.find(number); found != names.end()) return found->second;
  }
  std::string name = lookup();
  const std::lock_guard lock{mutex_};
  return names.try_emplace(number, std::move(name)).first->second;
}

EntryType entry_type(mode_t mode) noexcept {
  switch (mode & S_IFMT) {
    case S_IFREG: return EntryType::ENTRY_FILE;
    case S_IFDIR: return EntryType::ENTRY_DIRECTORY;
    case S_IFLNK: return EntryType::ENTRY_SYMLINK;
    case S_IFIFO: return EntryType::ENTRY_FIFO;
    case S_IFSOCK: return EntryType::ENTRY_SOCKET;
    case S_IFCHR: return EntryType::ENTRY_CHARACTER_DEVICE;
    case S_IFBLK: return EntryType::ENTRY_BLOCK_DEVICE;
    default: return EntryType::ENTRY_UNSPECIFIED;
  }
}

mode_t file_type_bits(EntryType type) noexcept {
  switch (static_cast<int>(type)) {  // an open enum: any number may come
    case EntryType::ENTRY_FILE: return S_IFREG;
    case EntryType::ENTRY_DIRECTORY: return S_IFDIR;
    case EntryType::ENTRY_SYMLINK: return S_IFLNK;
    case EntryType::ENTRY_FIFO: return S_IFIFO;
    case EntryType::ENTRY_SOCKET: return S_IFSOCK;
    case EntryType::ENTRY_CHARACTER_DEVICE: return S_IFCHR;
    case EntryType::ENTRY_BLOCK_DEVICE: return S_IFBLK;
    default: return 0;
  }
}

Timestamp mtime_of(const struct ::stat& attributes) noexcept {
  return {attributes.st_mtim.tv_sec, static_cast<std::uint32_t>(attributes.st_mtim.tv_nsec)};
}
Timestamp ctime_of(const struct ::stat& attributes) noexcept {
  return {attributes.st_ctim.tv_sec, static_cast<std::uint32_t>(attributes.st_ctim.tv_nsec)};
}
Timestamp mtime_of(const Entry& entry) noexcept { return {entry.mtime_s(), entry.mtime_ns()}; }
Timestamp ctime_of(const Entry& entry) noexcept { return {entry.ctime_s(), entry.ctime_ns()}; }

void set_owner_names(Entry& entry, OwnerNames& names) {
  const std::string& user = names.user(entry.uid());
  if (entry.user() != user) entry.set_user(user);
  const std::string& group = names.group(entry.gid());
  if (entry.group() != group) entry.set_group(group);
}

void set_attributes(Entry& entry, const struct ::stat& attributes, OwnerNames& names) {
  const EntryType type = entry_type(attributes.st_mode);
  entry.set_type(type);
  entry.set_mode(attributes.st_mode & 07777U);
  entry.set_uid(attributes.st_uid);
  entry.set_gid(attributes.st_gid);
  set_owner_names(entry, names);
  entry.set_mtime_s(attributes.st_mtim.tv_sec);
  entry.set_mtime_ns(static_cast<std::uint32_t>(attributes.st_mtim.tv_nsec));
  entry.set_ctime_s(attributes.st_ctim.tv_sec);
  entry.set_ctime_ns(static_cast<std::uint32_t>(attributes.st_ctim.tv_nsec));
  if (type == EntryType::ENTRY_CHARACTER_DEVICE || type == EntryType::ENTRY_BLOCK_DEVICE) {
    entry.set_device_major(major(attributes.st_rdev));
    entry.set_device_minor(minor(attributes.st_rdev));
  }
}

std::uint64_t link_group_of(std::uint64_t device, ino_t inode) noexcept {
  // A bijection of the inode number for each device (the finaliser of SplitMix64): inodes of one
  // device never meet.
  std::uint64_t mixed = std::uint64_t{inode} ^ (device * 0x9e3779b97f4a7c15U);
  mixed = (mixed ^ (mixed >> 30U)) * 0xbf58476d1ce4e5b9U;
  mixed = (mixed ^ (mixed >> 27U)) * 0x94d049bb133111ebU;
  mixed ^= mixed >> 31U;
  return mixed != 0 ? mixed : 1;
}

Fd open_source(int directory, const char* name, int flags, uid_t owner) {
  flags |= O_NOFOLLOW | O_CLOEXEC;
  const uid_t me = ::geteuid();
  bool quiet = (flags & O_PATH) == 0 && (me == 0 || me == owner);
  for (;;) {
    const int fd = ::openat(directory, name, flags | (quiet ? O_NOATIME : 0));
    if (fd >= 0) return Fd{fd};
    if (errno == EINTR) continue;
    // Root without CAP_FOWNER, or an owner by ACL of a network file system.
    if (errno != EPERM || !quiet) throw source_error(errno, "opening");
    quiet = false;
  }
}

struct ::stat stat_of(int fd) {
  struct ::stat attributes {};
  if (::fstat(fd, &attributes) != 0) throw source_error(errno, "reading attributes");
  return attributes;
}

bool is_stored_xattr(std::string_view name) noexcept { return !name.starts_with("user.vgerfs."); }

std::vector<XattrValue> read_xattrs(int fd, Access access) {
  std::vector<XattrValue> xattrs;
  const std::string names = xattr_names(fd, access);
  for (std::size_t at = 0; at < names.size();) {
    std::string name{names.c_str() + at};
    at += name.size() + 1;
    if (!is_stored_xattr(name)) continue;
    std::array<std::byte, 1024> small;
    Bytes value;
    ssize_t count = get_xattr(fd, access, name.c_str(), small.data(), small.size());
    if (count >= 0) {
      value.assign(small.begin(), small.begin() + count);
    } else if (errno == ERANGE) {
      value.resize(kMaxXattrValueBytes);
      count = get_xattr(fd, access, name.c_str(), value.data(), value.size());
      if (count >= 0) value.resize(static_cast<std::size_t>(count));
    }
    if (count < 0) {
      if (errno == ENODATA) continue;  // removed meanwhile
      throw source_error(errno, fmt::format("reading extended attribute {}", name));
    }
    xattrs.push_back({std::move(name), std::move(value)});
  }
  std::sort(xattrs.begin(), xattrs.end(),
            [](const XattrValue& a, const XattrValue& b) { return a.name < b.name; });
  // Stacked file systems may list a name twice.
  xattrs.erase(
      std::unique(xattrs.begin(), xattrs.end(),
                  [](const XattrValue& a, const XattrValue& b) { return a.name == b.name; }),
      xattrs.end());
  return xattrs;
}

void add_xattrs(Entry& entry, const std::vector<XattrValue>& xattrs, ChunkSink& sink) {
  for (const XattrValue& xattr : xattrs) add_xattr(entry, sink, xattr.name, xattr.value);
}

std::string read_link(int fd) {
  // One byte more than the longest that the format holds, to tell a longer one.
  std::array<char, kMaxSymlinkBytes + 1> target;
  const ssize_t count = ::readlinkat(fd, "", target.data(), target.size());
  if (count < 0) throw source_error(errno, "reading link");
  if (count == 0 || static_cast<std::size_t>(count) > kMaxSymlinkBytes) {
    throw FileError{FailureKind::unreadable, "the link's target is empty or too long"};
  }
  return {target.data(), static_cast<std::size_t>(count)};
}

}  // namespace vgerfs::repo
