#include "backends/local_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/directory_stream.h"
#include "base/error.h"

namespace vgerfs::backends {
namespace {

using format::ObjectName;
using format::ObjectType;

bool is_absence(int error_number) { return error_number == ENOENT || error_number == ENOTDIR; }

std::size_t slot_of(ObjectType type) {
  std::size_t slot = 0;
  while (format::kListedTypes[slot] != type) ++slot;
  return slot;
}

Fd try_open(int directory_fd, const std::string& path, int flags) {
  int fd;
  do {
    fd = ::openat(directory_fd, path.c_str(), flags | O_CLOEXEC);
  } while (fd < 0 && errno == EINTR);
  return Fd{fd};
}

Error no_repository(const std::string& path, std::string_view why) {
  return Error{ErrorCode::no_repository, fmt::format("no repository at {}: {}", path, why),
               "check the path and whether the disk is mounted; `vgerfs-admin init` creates one"};
}

}  // namespace

std::string pack_directory(std::byte first_byte) {
  return std::string{format::directory_name(ObjectType::pack)} + '/' +
         to_hex(ByteView{&first_byte, 1});
}

std::string directory_of(const ObjectName& name) {
  if (name.type == ObjectType::config) return ".";
  if (name.type == ObjectType::pack) return pack_directory(name.id.bytes()[0]);
  return std::string{format::directory_name(name.type)};
}

Timestamp modification_time(const struct stat& status) {
  return {status.st_mtim.tv_sec, static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
}

LocalDirectory::LocalDirectory(const std::string& path)
    : path_(std::filesystem::absolute(path).lexically_normal().string()) {
  while (path_.size() > 1 && path_.back() == '/') path_.pop_back();
  root_ = try_open(AT_FDCWD, path_, O_RDONLY | O_DIRECTORY);
  if (!root_) {
    if (errno == ENOENT) throw no_repository(path_, "there is no such directory");
    if (errno == ENOTDIR) throw no_repository(path_, "it is not a directory");
    throw system_error(errno, "opening the repository " + path_);
  }
  std::vector<std::string> missing;
  for (const ObjectType type : format::kListedTypes) {
    const std::string name{format::directory_name(type)};
    Fd& directory = directories_[slot_of(type)];
    directory = try_open(root_.get(), name, O_RDONLY | O_DIRECTORY);
    if (directory) continue;
    if (!is_absence(errno)) throw system_error(errno, "opening " + full_path(name));
    missing.push_back(name);
  }
  if (missing.empty()) return;
  struct stat status {};
  const bool config_there = ::fstatat(root_.get(), "config", &status, AT_SYMLINK_NOFOLLOW) == 0;
  if (missing.size() == std::size(format::kListedTypes) && !config_there) {
    throw no_repository(path_, "the directory holds something else or nothing");
  }
  // Never made silently: an empty directory in the place of a lost one would say "no snapshots".
  throw Error{ErrorCode::corrupt,
              fmt::format("the repository {} lacks its directory {}/", path_, missing.front()),
              "if it was empty and a copy has left it out, create it again with mkdir"};
}

std::string LocalDirectory::full_path(std::string_view relative) const {
  return relative == "." ? path_ : fmt::format("{}/{}", path_, relative);
}

void LocalDirectory::check_present(ObjectType type) const {
  // The open descriptors' numbers are asked anew: some file systems change them while in use.
  const auto is_same = [](int opened, int base, const char* path) {
    struct stat then {};
    struct stat now {};
    return ::fstat(opened, &then) == 0 && ::fstatat(base, path, &now, 0) == 0 &&
           then.st_dev == now.st_dev && then.st_ino == now.st_ino;
  };
  bool present = is_same(root_.get(), AT_FDCWD, path_.c_str());
  if (present && type != ObjectType::config) {
    const std::string name{format::directory_name(type)};
    present = is_same(directories_[slot_of(type)].get(), root_.get(), name.c_str());
  }
  if (!present) {
    throw Error{ErrorCode::unavailable,
                fmt::format("the repository directory {} vanished while in use", path_),
                "check whether its disk is still mounted"};
  }
}

Error LocalDirectory::failure(int error_number, std::string_view doing,
                              std::string_view relative) const {
  Error error = system_error(error_number, fmt::format("{} {}", doing, full_path(relative)));
  if (!is_absence(error_number)) return error;
  return Error{ErrorCode::unavailable, error.message(), "check whether its disk is still mounted"};
}

Fd LocalDirectory::open_object(const ObjectName& name) const {
  // O_NONBLOCK: a FIFO planted under an object's name must not hang us.
  const std::string relative = name.path();
  Fd fd = try_open(root_.get(), relative, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
  if (!fd) {
    const int error_number = errno;
    if (!is_absence(error_number)) throw failure(error_number, "opening", relative);
    check_present(name.type);
  }
  return fd;
}

std::optional<ObjectInfo> LocalDirectory::stat_object(const ObjectName& name) const {
  const std::string relative = name.path();
  struct stat status {};
  if (::fstatat(root_.get(), relative.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    const int error_number = errno;
    if (!is_absence(error_number)) throw failure(error_number, "looking up", relative);
    check_present(name.type);
    return std::nullopt;
  }
  if (!S_ISREG(status.st_mode)) {
    throw Error{ErrorCode::corrupt, full_path(relative) + " is not a regular file"};
  }
  return ObjectInfo{name, static_cast<std::uint64_t>(status.st_size), modification_time(status)};
}

void LocalDirectory::list_objects(ObjectType type,
                                  const std::function<void(const ObjectInfo&)>& each) const {
  check_present(type);
  if (type == ObjectType::config) {
    if (const auto info = stat_object(format::config_name())) each(*info);
  } else if (type == ObjectType::pack) {
    // The names are fixed, so there is no need to list data/ itself.
    for (unsigned first = 0; first < 256; ++first) {
      list_directory(type, pack_directory(static_cast<std::byte>(first)), each);
    }
  } else {
    list_directory(type, std::string{format::directory_name(type)}, each);
  }
}

void LocalDirectory::list_directory(ObjectType type, const std::string& directory,
                                    const std::function<void(const ObjectInfo&)>& each) const {
  Fd fd = try_open(root_.get(), directory, O_RDONLY | O_DIRECTORY);
  if (!fd) {
    const int error_number = errno;
    if (!is_absence(error_number)) throw failure(error_number, "listing", directory);
    check_present(type);
    if (type != ObjectType::pack) throw failure(error_number, "listing", directory);
    return;
  }
  const DirectoryStream stream{::fdopendir(fd.get())};
  if (!stream) throw failure(errno, "listing", directory);
  static_cast<void>(fd.release());
  // Gathered first: the callback may remove what it is shown, and takes its time.
  std::vector<ObjectInfo> found;
  for (;;) {
    errno = 0;
    const dirent* entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw failure(errno, "listing", directory);
      break;
    }
    const auto id = ObjectId::parse(entry->d_name);
    if (!id || directory_of({type, *id}) != directory) continue;
    struct stat status {};
    if (::fstatat(::dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed meanwhile
      throw failure(errno, "looking up", directory + '/' + entry->d_name);
    }
    if (!S_ISREG(status.st_mode)) continue;
    found.push_back(
        {{type, *id}, static_cast<std::uint64_t>(status.st_size), modification_time(status)});
  }
  for (const ObjectInfo& info : found) each(info);
}

void LocalDirectory::remove_object(const ObjectName& name) const {
  const std::string relative = name.path();
  if (::unlinkat(root_.get(), relative.c_str(), 0) != 0) {
    const int error_number = errno;
    if (!is_absence(error_number)) throw failure(error_number, "removing", relative);
    check_present(name.type);
    struct stat status {};
    const std::string directory = directory_of(name);
    if (::fstatat(root_.get(), directory.c_str(), &status, 0) != 0 && errno == ENOENT) return;
  }
  // Also when it was absent: who removed it may not have synced the directory yet.
  sync(directory_of(name));
}

void LocalDirectory::sync(const std::string& directory) const {
  const Fd fd = try_open(root_.get(), directory, O_RDONLY | O_DIRECTORY);
  if (!fd) throw failure(errno, "opening", directory);
  // EINVAL: the file system has no such operation; its names are as durable as it makes them.
  if (::fsync(fd.get()) != 0 && errno != EINVAL) throw failure(errno, "syncing", directory);
}

}  // namespace vgerfs::backends
