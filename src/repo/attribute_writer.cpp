#include "repo/attribute_writer.h"

#include <fcntl.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <system_error>

#include "repo/file_failure.h"

namespace vgerfs::repo {
namespace {

constexpr mode_t kSetIdBits = S_ISUID | S_ISGID;

bool is_acl(std::string_view name) { return name.starts_with("system.posix_acl_"); }

/// What may be taken off a file that should not have it: what users and the kernel's own rules
/// (inherited ACLs) put there, not the labels of security modules.
bool is_removable(std::string_view name) {
  return is_stored_xattr(name) && (is_acl(name) || name.starts_with("user.") ||
                                   name.starts_with("trusted.") || name == "security.capability");
}

/// Refusals that the next file would meet as well.
bool is_limit(int error_number) {
  return error_number == EPERM || error_number == EACCES || error_number == ENOTSUP ||
         error_number == EINVAL || error_number == ENOSYS;
}

/// "user.*", or the whole name where that says more.
std::string limit_name(std::string_view xattr) {
  if (is_acl(xattr)) return "access control lists";
  if (xattr == "security.capability") return "file capabilities";
  return fmt::format("extended attributes {}.*", xattr.substr(0, xattr.find('.')));
}

}  // namespace

void RestoreLimits::add(std::string_view what, std::string_view path, int error_number) {
  const std::lock_guard lock{mutex_};
  auto found = limits_.find(what);
  if (found == limits_.end()) {
    found = limits_.emplace(std::string{what}, RestoreLimit{}).first;
    found->second.what = what;
    found->second.first_path = path;
    found->second.reason = std::generic_category().message(error_number);
  }
  ++found->second.files;
}

std::vector<RestoreLimit> RestoreLimits::list() const {
  const std::lock_guard lock{mutex_};
  std::vector<RestoreLimit> list;
  for (const auto& [what, limit] : limits_) list.push_back(limit);
  return list;
}

bool is_damage(const Error& error) noexcept {
  return error.code() != ErrorCode::unavailable && error.code() != ErrorCode::interrupted;
}

/// One file under way.
struct AttributeWriter::Target {
  const int fd;
  const Access access;
  const Entry& entry;
  const std::string& path;
  const std::string by_path;  // for calls that take no O_PATH descriptor
  struct ::stat now {};
  std::vector<XattrValue> xattrs;  // that it has
  std::optional<FileError> problem;

  bool is_link() const { return entry.type() == EntryType::ENTRY_SYMLINK; }
  void fail(int error_number, std::string_view call) {
    if (problem) return;
    problem = FileError{FailureKind::unwritable,
                        fmt::format("{}: {}", call, std::generic_category().message(error_number))};
  }
  int set_xattr(const std::string& name, ByteView value) const {
    const int result =
        access == Access::open
            ? ::fsetxattr(fd, name.c_str(), value.data(), value.size(), 0)
            : ::setxattr(by_path.c_str(), name.c_str(), value.data(), value.size(), 0);
    return result == 0 ? 0 : errno;
  }
  int remove_xattr(const std::string& name) const {
    const int result = access == Access::open ? ::fremovexattr(fd, name.c_str())
                                              : ::removexattr(by_path.c_str(), name.c_str());
    return result == 0 ? 0 : errno;
  }
};

bool AttributeWriter::set_owner(Target& target) const {
  const uid_t uid = target.entry.uid();
  const gid_t gid = target.entry.gid();
  if (target.now.st_uid == uid && target.now.st_gid == gid) return true;
  if (::fchownat(target.fd, "", uid, gid, AT_EMPTY_PATH) == 0) {
    target.now.st_mode &= ~kSetIdBits;  // the kernel may have taken them away
    return true;
  }
  const int error_number = errno;
  if (!is_limit(error_number)) {
    target.fail(error_number, "setting the owner");
    return false;
  }
  limits_.add("owners", target.path, error_number);
  // The group may be another one of this user's.
  if (::fchownat(target.fd, "", static_cast<uid_t>(-1), gid, AT_EMPTY_PATH) == 0)
    target.now.st_mode &= ~kSetIdBits;
  return false;
}

void AttributeWriter::remove_foreign_xattrs(Target& target) const {
  try {
    target.xattrs = read_xattrs(target.fd, target.access);
  } catch (const FileError& error) {
    if (!target.problem) target.problem = FileError{FailureKind::unwritable, error.message()};
    return;
  }
  for (const XattrValue& xattr : target.xattrs) {
    const bool wanted = std::any_of(target.entry.xattrs().begin(), target.entry.xattrs().end(),
                                    [&](const auto& each) { return each.name() == xattr.name; });
    if (wanted || !is_removable(xattr.name)) continue;
    const int error_number = target.remove_xattr(xattr.name);
    if (error_number == 0 || error_number == ENODATA) continue;
    if (is_limit(error_number)) {
      limits_.add(limit_name(xattr.name), target.path, error_number);
    } else {
      target.fail(error_number, fmt::format("removing extended attribute {}", xattr.name));
    }
  }
}

void AttributeWriter::set_xattrs(Target& target, bool acls) const {
  for (const auto& xattr : target.entry.xattrs()) {
    if (is_acl(xattr.name()) != acls || !is_stored_xattr(xattr.name())) continue;
    Bytes value;
    try {
      value = xattr_value(xattr, source_);
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      target.problem = FileError{FailureKind::corrupt, fmt::format("extended attribute {}: {}",
                                                                   xattr.name(), error.message())};
      continue;
    }
    const bool there = std::any_of(
        target.xattrs.begin(), target.xattrs.end(),
        [&](const XattrValue& each) { return each.name == xattr.name() && each.value == value; });
    // What is right stays untouched; an ACL may have followed a change of the mode.
    const int error_number = there && !acls ? 0 : target.set_xattr(xattr.name(), value);
    if (error_number == 0) continue;
    if (is_limit(error_number)) {
      limits_.add(limit_name(xattr.name()), target.path, error_number);
    } else {
      target.fail(error_number, fmt::format("setting extended attribute {}", xattr.name()));
    }
  }
}

void AttributeWriter::set_mode(Target& target, bool owner_is_right) const {
  if (target.is_link()) return;
  mode_t mode = target.entry.mode() & 07777U;
  // They would lend another user's rights than they did.
  if (!owner_is_right) mode &= ~kSetIdBits;
  if ((target.now.st_mode & 07777U) == mode) return;
  const int result = target.access == Access::open ? ::fchmod(target.fd, mode)
                                                   : ::chmod(target.by_path.c_str(), mode);
  if (result != 0) target.fail(errno, "setting the mode");
}

void AttributeWriter::set_times(Target& target) const {
  if (mtime_of(target.now) == mtime_of(target.entry)) return;
  const std::array<struct ::timespec, 2> times{
      {{0, UTIME_OMIT}, {target.entry.mtime_s(), static_cast<long>(target.entry.mtime_ns())}}};
  const int result = target.access == Access::open
                         ? ::futimens(target.fd, times.data())
                         : ::utimensat(AT_FDCWD, target.by_path.c_str(), times.data(), 0);
  if (result != 0) target.fail(errno, "setting the time");
}

void AttributeWriter::apply(int fd, Access access, const Entry& entry,
                            const std::string& path) const {
  Target target{.fd = fd,
                .access = access,
                .entry = entry,
                .path = path,
                .by_path = descriptor_path(fd),
                .xattrs = {},
                .problem = {}};
  if (::fstat(fd, &target.now) != 0) {
    throw FileError{FailureKind::unwritable,
                    "reading attributes: " + std::generic_category().message(errno)};
  }
  const bool owner_is_right = set_owner(target);
  remove_foreign_xattrs(target);
  // After the owner: a change of him takes capabilities away. Before the mode: it may forbid
  // writing.
  set_xattrs(target, false);
  // An ACL that was removed above or is set below has a say in the group's bits.
  if (::fstat(fd, &target.now) != 0) target.fail(errno, "reading attributes");
  set_mode(target, owner_is_right);
  set_xattrs(target, true);
  set_times(target);
  if (target.problem) throw FileError{*target.problem};
}

}  // namespace vgerfs::repo
