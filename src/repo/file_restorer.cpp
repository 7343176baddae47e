#include "repo/file_restorer.h"

#include <fcntl.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <system_error>

#include "base/fd.h"
#include "base/log.h"
#include "repo/content_compare.h"
#include "repo/content_reader.h"
#include "repo/file_entry.h"
#include "repo/file_hash.h"

namespace vgerfs::repo {
namespace {

/// A name that goes away unless it is kept.
class UnfinishedName {
 public:
  UnfinishedName(int directory, std::string name) : directory_(directory), name_(std::move(name)) {}
  ~UnfinishedName() {
    if (!name_.empty() && ::unlinkat(directory_, name_.c_str(), 0) != 0 && errno != ENOENT) {
      log::warning("a file that was not finished could not be removed: {}: {}", name_,
                   std::generic_category().message(errno));
    }
  }
  UnfinishedName(const UnfinishedName&) = delete;
  UnfinishedName& operator=(const UnfinishedName&) = delete;

  const std::string& name() const noexcept { return name_; }
  void keep() noexcept { name_.clear(); }
  /// The name becomes `wanted`, in the place of what has it.
  void rename(const std::string& wanted) {
    if (::renameat(directory_, name_.c_str(), directory_, wanted.c_str()) != 0)
      throw_target_error(errno, "renaming");
    keep();
  }

 private:
  const int directory_;
  std::string name_;
};

/// Failures of the store as the file's own, unless the store as a whole is away.
template <class Work>
auto reading_stored(Work work) {
  try {
    return work();
  } catch (const FileError&) {
    throw;
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    throw FileError{FailureKind::corrupt, error.message()};
  }
}

[[noreturn]] void throw_different(std::uint64_t offset) {
  throw FileError{FailureKind::different,
                  fmt::format("reads back other bytes than were written, at offset {}", offset)};
}

}  // namespace

std::string_view to_string(RestoreAction action) noexcept {
  switch (action) {
    case RestoreAction::create: return "create";
    case RestoreAction::replace: return "replace";
    case RestoreAction::keep: return "keep";
    case RestoreAction::remove: return "remove";
  }
  return "unknown";
}

void throw_target_error(int error_number, std::string_view call) {
  // The next file would fare no better.
  if (error_number == ENOSPC || error_number == EDQUOT || error_number == EROFS) {
    throw system_error(error_number, fmt::format("the restore's target: {}", call));
  }
  throw FileError{FailureKind::unwritable,
                  fmt::format("{}: {}", call, std::generic_category().message(error_number))};
}

bool InodeClaims::claim(const struct ::stat& attributes, std::uint64_t link_group) {
  const std::lock_guard lock{mutex_};
  const auto [place, is_new] =
      groups_.try_emplace(link_group_of(attributes.st_dev, attributes.st_ino), link_group);
  return is_new || place->second == link_group;
}

void FileRestorer::check_stop() const {
  if (context_.stop.stop_requested())
    throw Error{ErrorCode::interrupted, "the restore was stopped"};
}

void FileRestorer::set_attributes(int fd, Access access, const Entry& entry,
                                  const std::string& path, Made& made) const {
  try {
    context_.attributes.apply(fd, access, entry, path);
  } catch (const FileError& error) {
    made.problem = error;
  }
}

std::string FileRestorer::temporary_name() const {
  std::array<std::byte, 8> drawn;
  context_.random.fill(drawn);
  return ".vgerfs-" + to_hex(drawn);
}

std::optional<struct ::stat> FileRestorer::look(int directory, const std::string& name) const {
  struct ::stat there {};
  if (::fstatat(directory, name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0) return there;
  if (errno == ENOENT) return std::nullopt;
  throw_target_error(errno, "reading attributes");
}

bool FileRestorer::is_same(int directory, const Entry& entry, const struct ::stat& there) const {
  if (file_type_bits(entry.type()) != (there.st_mode & S_IFMT)) return false;
  // Names that must not share an inode do; or inodes that must not be one are.
  if (there.st_nlink > 1 &&
      (entry.link_group() == 0 || !context_.claims.claim(there, entry.link_group())))
    return false;
  switch (static_cast<int>(entry.type())) {
    case EntryType::ENTRY_FILE:
      return entry.size() == static_cast<std::uint64_t>(there.st_size) &&
             mtime_of(entry) == mtime_of(there);
    case EntryType::ENTRY_SYMLINK: {
      std::string target(entry.symlink_target().size() + 1, '\0');
      const ssize_t count =
          ::readlinkat(directory, entry.name().c_str(), target.data(), target.size());
      return count >= 0 &&
             target.compare(0, static_cast<std::size_t>(count), entry.symlink_target()) == 0;
    }
    case EntryType::ENTRY_CHARACTER_DEVICE:
    case EntryType::ENTRY_BLOCK_DEVICE:
      return there.st_rdev == makedev(entry.device_major(), entry.device_minor());
    default: return true;
  }
}

FileRestorer::Made FileRestorer::restore(int directory, const Entry& entry,
                                         const std::string& path) const {
  check_stop();
  Made made;
  const std::string& name = entry.name();
  const auto there = context_.in_place ? look(directory, name) : std::nullopt;
  if (!there) {
    made.action = RestoreAction::create;
    made.skipped = !context_.dry_run && !make(directory, name, entry, path, made);
    return made;
  }
  if (is_same(directory, entry, *there) &&
      (context_.dry_run || keep(directory, entry, path, made))) {
    made.action = RestoreAction::keep;
    return made;
  }
  made.action = RestoreAction::replace;
  if (context_.dry_run) return made;
  UnfinishedName temporary{directory, temporary_name()};
  made.skipped = !make(directory, temporary.name(), entry, path, made);
  if (made.skipped) return made;
  if (S_ISDIR(there->st_mode)) make_way(directory, name);
  temporary.rename(name);
  return made;
}

bool FileRestorer::keep(int directory, const Entry& entry, const std::string& path,
                        Made& made) const {
  const Fd fd{::openat(directory, entry.name().c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  struct ::stat there {};
  if (!fd || ::fstat(fd.get(), &there) != 0) throw_target_error(errno, "opening");
  if (context_.verify && entry.type() == EntryType::ENTRY_FILE) {
    // By way of the descriptor: it is this very file.
    const Fd readable{::open(descriptor_path(fd.get()).c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)};
    if (!readable) throw_target_error(errno, "opening to verify");
    try {
      verify_content(readable.get(), entry);
    } catch (const FileError& error) {
      if (error.kind() != FailureKind::different) throw;
      return false;  // same size and time, other content: it is replaced
    }
  } else {
    context_.bytes += entry.size();
  }
  made.device = there.st_dev;
  made.inode = there.st_ino;
  set_attributes(fd.get(), Access::path, entry, path, made);
  return true;
}

bool FileRestorer::make(int directory, const std::string& name, const Entry& entry,
                        const std::string& path, Made& made) const {
  return entry.type() == EntryType::ENTRY_FILE ? make_file(directory, name, entry, path, made)
                                               : make_special(directory, name, entry, path, made);
}

bool FileRestorer::make_file(int directory, const std::string& name, const Entry& entry,
                             const std::string& path, Made& made) const {
  const int access = context_.verify ? O_RDWR : O_WRONLY;
  Fd fd{
      ::openat(directory, name.c_str(), access | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600)};
  if (!fd) throw_target_error(errno, "creating");
  struct ::stat there {};
  if (::fstat(fd.get(), &there) != 0) throw_target_error(errno, "creating");
  made.device = there.st_dev;
  made.inode = there.st_ino;
  UnfinishedName unfinished{directory, name};
  write_content(fd.get(), entry);
  if (context_.verify) verify_content(fd.get(), entry);
  set_attributes(fd.get(), Access::open, entry, path, made);
  // Network file systems say here what became of the bytes.
  if (::close(fd.release()) != 0 && errno != EINTR) throw_target_error(errno, "closing");
  unfinished.keep();
  return true;
}

bool FileRestorer::make_special(int directory, const std::string& name, const Entry& entry,
                                const std::string& path, Made& made) const {
  const mode_t type = file_type_bits(entry.type());
  int result = 0;
  if (entry.type() == EntryType::ENTRY_SYMLINK) {
    result = ::symlinkat(entry.symlink_target().c_str(), directory, name.c_str());
  } else {
    const dev_t device = makedev(entry.device_major(), entry.device_minor());
    result = ::mknodat(directory, name.c_str(), type | 0600U, device);
  }
  if (result != 0) {
    if (errno != EPERM) throw_target_error(errno, "creating");
    const bool device = S_ISCHR(type) || S_ISBLK(type);
    context_.limits.add(device          ? "devices"
                        : S_ISLNK(type) ? "symbolic links"
                                        : "fifos and sockets",
                        path, errno);
    return false;
  }
  const Fd fd{::openat(directory, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  struct ::stat there {};
  if (!fd || ::fstat(fd.get(), &there) != 0) throw_target_error(errno, "opening");
  if ((there.st_mode & S_IFMT) != type)
    throw FileError{FailureKind::unwritable, "somebody else put another file in its place"};
  made.device = there.st_dev;
  made.inode = there.st_ino;
  set_attributes(fd.get(), Access::path, entry, path, made);
  return true;
}

void FileRestorer::write_content(int fd, const Entry& entry) const {
  if (entry.size() == 0) return;
  // Holes are what is not written.
  if (::ftruncate(fd, static_cast<off_t>(entry.size())) != 0)
    throw_target_error(errno, "setting the size");
  ContentReader content{context_.reader, entry};
  while (const auto piece = reading_stored([&] { return content.next(); })) {
    check_stop();
    for (std::size_t done = 0; done < piece->data.size();) {
      const ByteView rest = piece->data.subspan(done);
      const ssize_t count =
          ::pwrite(fd, rest.data(), rest.size(), static_cast<off_t>(piece->start + done));
      if (count < 0 && errno == EINTR) continue;
      if (count < 0) throw_target_error(errno, "writing");
      done += static_cast<std::size_t>(count);
    }
    context_.bytes += piece->bytes;
  }
}

void FileRestorer::verify_content(int fd, const Entry& entry) const {
  // What is compared shall come from the disk: written out, then dropped from memory.
  ::sync_file_range(
      fd, 0, 0, SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER);
  ::posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
  struct ::stat there {};
  if (::fstat(fd, &there) != 0) throw_target_error(errno, "verifying");
  if (static_cast<std::uint64_t>(there.st_size) != entry.size()) throw_different(entry.size());
  try {
    const auto different = reading_stored([&] {
      return first_difference(context_.reader, entry, fd, [this](std::uint64_t bytes) {
        check_stop();
        context_.bytes += bytes;
      });
    });
    if (different) throw_different(*different);
  } catch (const FileError& error) {
    if (error.kind() != FailureKind::unreadable) throw;
    throw FileError{FailureKind::different, error.message()};
  }
}

void FileRestorer::make_way(int directory, const std::string& name) const {
  const auto there = look(directory, name);
  if (!there) return;
  if (::unlinkat(directory, name.c_str(), S_ISDIR(there->st_mode) ? AT_REMOVEDIR : 0) == 0) return;
  if (errno == ENOTEMPTY || errno == EEXIST) {
    throw FileError{FailureKind::unwritable, "a directory that is not empty is in its place"};
  }
  throw_target_error(errno, "removing what is in its place");
}

RestoreAction FileRestorer::link(int directory, const std::string& name, int first_directory,
                                 const std::string& first_name, const Made& first) const {
  const auto is_first = [&](const struct ::stat& attributes) {
    return attributes.st_dev == first.device && attributes.st_ino == first.inode;
  };
  const auto there = context_.in_place ? look(directory, name) : std::nullopt;
  if (context_.dry_run) return there ? RestoreAction::replace : RestoreAction::create;
  if (there && is_first(*there)) return RestoreAction::keep;
  UnfinishedName made{directory, there ? temporary_name() : name};
  if (::linkat(first_directory, first_name.c_str(), directory, made.name().c_str(), 0) != 0) {
    const int error_number = errno;
    made.keep();
    throw_target_error(error_number, "linking");
  }
  // Somebody may have put another file under the first name meanwhile.
  const auto linked = look(directory, made.name());
  if (!linked || !is_first(*linked)) {
    throw FileError{FailureKind::unwritable,
                    "the file that it is a link of was replaced meanwhile"};
  }
  if (!there) {
    made.keep();
    return RestoreAction::create;
  }
  if (S_ISDIR(there->st_mode)) make_way(directory, name);
  made.rename(name);
  return RestoreAction::replace;
}

}  // namespace vgerfs::repo
