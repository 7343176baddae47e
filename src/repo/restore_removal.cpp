#include "repo/restore_removal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "base/error.h"
#include "repo/file_entry.h"
#include "repo/file_restorer.h"

namespace vgerfs::repo {
namespace {

constexpr const char* kFileSystemsOwn = "lost+found";

std::string below(const std::string& path, std::string_view name) {
  return path.empty() ? std::string{name} : fmt::format("{}/{}", path, name);
}

NameList list_target(int directory) {
  if (::lseek(directory, 0, SEEK_SET) != 0) throw_target_error(errno, "reading the directory");
  Listing listing = list_directory(directory);
  if (listing.error_number != 0) throw_target_error(listing.error_number, "reading the directory");
  return std::move(listing.names);
}

}  // namespace

Fd open_target_directory(int parent, const char* name, bool may_change) {
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd fd{::openat(parent, name, kFlags)};
  if (!fd && errno == EACCES && may_change) {
    const Fd closed{::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (closed && ::chmod(descriptor_path(closed.get()).c_str(), 0700) == 0)
      fd = Fd{::openat(parent, name, kFlags)};
  }
  if (!fd) throw_target_error(errno, "opening the directory");
  return fd;
}

RestoreRemoval::Mount RestoreRemoval::mount_of(int fd) {
  struct ::statx found {};
  if (::statx(fd, "", AT_EMPTY_PATH, STATX_TYPE | STATX_MNT_ID, &found) == 0 &&
      (found.stx_mask & STATX_MNT_ID) != 0) {
    return {.by_mount = true, .number = found.stx_mnt_id};
  }
  // A kernel before 5.8.
  return {.by_mount = false, .number = stat_of(fd).st_dev};
}

void RestoreRemoval::check_stop() const {
  if (options_.stop.stop_requested())
    throw Error{ErrorCode::interrupted, "the restore was stopped"};
}

void RestoreRemoval::clear(int directory, const Entry& entry, const std::string& path) {
  const bool is_target = !mount_;
  try {
    const Mount mount = mount_of(directory);
    if (is_target) mount_ = mount;
    const std::vector<Doomed> doomed = find(directory, entry, is_target);
    if (doomed.empty()) return;
    if (mount != *mount_) {
      throw FileError{FailureKind::unwritable,
                      fmt::format("is another file system, in which nothing is removed: {} stays",
                                  doomed.front().name)};
    }
    for (const Doomed& each : doomed) remove(directory, each, below(path, each.name));
  } catch (const FileError& error) {
    report_.failed(path, error);
  } catch (const Error& error) {
    if (!is_damage(error)) throw;
    report_.failed(path, FailureKind::corrupt, "nothing in it was removed: " + error.message());
  }
}

std::vector<RestoreRemoval::Doomed> RestoreRemoval::find(int directory, const Entry& entry,
                                                         bool is_target) {
  const NameList names = list_target(directory);
  std::vector<Doomed> doomed;
  DirectoryReader tree{source_, subtree_of(entry)};
  const Entry* wanted = tree.next();
  for (std::size_t i = 0; i < names.size(); ++i) {
    const std::string_view name{names[i]};
    while (wanted != nullptr && wanted->name() < name) wanted = tree.next();
    if (wanted == nullptr || wanted->name() != name) {
      if (!is_target || name != kFileSystemsOwn) doomed.push_back({std::string{name}, false});
    } else if (wanted->type() != EntryType::ENTRY_DIRECTORY) {
      const auto there = stat_at(directory, names[i]);
      if (there && S_ISDIR(there->st_mode)) doomed.push_back({std::string{name}, true});
    }
  }
  // To the end: of a tree that cannot be read it is not known what it has.
  while (wanted != nullptr) wanted = tree.next();
  return doomed;
}

Fd RestoreRemoval::enter(int directory, const char* name) {
  Fd fd = open_target_directory(directory, name, !options_.dry_run);
  const struct ::stat attributes = stat_of(fd.get());
  if (mount_of(fd.get()) != *mount_) {
    throw FileError{FailureKind::unwritable,
                    "is not removed: another file system is mounted there"};
  }
  if (!options_.dry_run && ::geteuid() != 0 && (attributes.st_mode & S_IRWXU) != S_IRWXU &&
      ::fchmod(fd.get(), (attributes.st_mode & 07777U) | S_IRWXU) != 0) {
    throw_target_error(errno, "opening the directory to its owner");
  }
  return fd;
}

void RestoreRemoval::remove(int directory, const Doomed& doomed, const std::string& path) {
  check_stop();
  const char* name = doomed.name.c_str();
  try {
    const auto there = stat_at(directory, name);
    if (!there) return;
    if (!S_ISDIR(there->st_mode)) {
      if (!doomed.contents_only) remove_file(directory, name, path, *there);
      return;
    }
    if (remove_below(enter(directory, name), path) && !doomed.contents_only)
      remove_directory(directory, name, path);
  } catch (const FileError& error) {
    report_.failed(path, error);
  }
}

bool RestoreRemoval::remove_file(int directory, const char* name, const std::string& path,
                                 const struct ::stat& there) {
  if (!options_.dry_run && ::unlinkat(directory, name, 0) != 0) {
    if (errno == ENOENT) return true;
    throw_target_error(errno, "removing");
  }
  removed(path, entry_type(there.st_mode), static_cast<std::uint64_t>(there.st_size));
  return true;
}

bool RestoreRemoval::remove_directory(int directory, const char* name, const std::string& path) {
  if (!options_.dry_run && ::unlinkat(directory, name, AT_REMOVEDIR) != 0) {
    if (errno == ENOENT) return true;
    throw_target_error(errno, "removing the directory");
  }
  removed(path, EntryType::ENTRY_DIRECTORY, 0);
  return true;
}

bool RestoreRemoval::remove_below(Fd directory, const std::string& path) {
  struct Level {
    NameList names;
    std::size_t next = 0;
    std::string name;  // of the directory
    std::string path;
    bool is_empty = true;
  };
  std::vector<Level> levels;
  const struct ::stat attributes = stat_of(directory.get());
  levels.push_back({list_target(directory.get()), 0, {}, path});
  DirectoryPath at{std::move(directory), attributes};
  const auto failed = [&](const std::string& where, const FileError& error) {
    report_.failed(where, error);
    levels.back().is_empty = false;
  };
  for (;;) {
    check_stop();
    Level& level = levels.back();
    if (level.next == level.names.size()) {
      const Level done = std::move(level);
      levels.pop_back();
      if (levels.empty()) return done.is_empty;
      at.leave();
      try {
        if (done.is_empty) {
          remove_directory(at.current()->get(), done.name.c_str(), done.path);
        } else {
          levels.back().is_empty = false;
        }
      } catch (const FileError& error) {
        failed(done.path, error);
      }
      continue;
    }
    const std::string name = level.names[level.next++];
    const std::string each = below(level.path, name);
    try {
      const auto here = at.current();
      const auto there = stat_at(here->get(), name.c_str());
      if (!there) continue;
      if (!S_ISDIR(there->st_mode)) {
        remove_file(here->get(), name.c_str(), each, *there);
        continue;
      }
      Fd next = enter(here->get(), name.c_str());
      const struct ::stat next_attributes = stat_of(next.get());
      NameList names = list_target(next.get());
      at.enter(name, std::move(next), next_attributes);
      levels.push_back({std::move(names), 0, name, each});
    } catch (const FileError& error) {
      failed(each, error);
    }
  }
}

void RestoreRemoval::removed(const std::string& path, EntryType type, std::uint64_t bytes) {
  Entry entry;
  entry.set_name(path.substr(path.rfind('/') + 1));
  entry.set_type(type);
  if (type == EntryType::ENTRY_FILE) entry.set_size(bytes);
  report_.at(path);
  report_.made(RestoreAction::remove, path, entry);
  report_.show();
}

}  // namespace vgerfs::repo
