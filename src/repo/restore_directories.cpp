#include "repo/restore_directories.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "repo/file_entry.h"
#include "repo/restore_removal.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kMaxHeld = 64;

}  // namespace

void RestoreDirectories::open_target(const Entry& entry) {
  if (!options_.dry_run) make_directories(options_.target, 0755);
  Frame frame;
  frame.is_made = true;
  frame.is_selected = options_.include.empty();
  frame.directory = std::make_shared<RestoredDirectory>();
  frame.directory->wants_attributes =
      frame.is_selected && entry.type() == EntryType::ENTRY_DIRECTORY;
  frame.directory->entry = entry;
  struct ::stat there {};
  frame.is_absent =
      options_.dry_run && ::stat(options_.target.c_str(), &there) != 0 && errno == ENOENT;
  if (!frame.is_absent) {
    Fd fd = open_file(options_.target, O_RDONLY | O_DIRECTORY);
    if (!options_.in_place) {
      const Listing listing = list_directory(fd.get());
      // A fresh file system has this one.
      const bool empty = listing.names.size() == (listing.names.contains("lost+found") ? 1U : 0U);
      if (listing.error_number != 0 || !empty) {
        throw Error{ErrorCode::exists, fmt::format("'{}' is not empty", options_.target),
                    "restore into an empty directory, or use --in-place"};
      }
    }
    const struct ::stat attributes = stat_of(fd.get());
    opened_.emplace(std::move(fd), attributes);
    target_ = opened_->current();
  }
  frames_.push_back(std::move(frame));
}

void RestoreDirectories::enter(const Entry& entry, std::string path, bool is_selected) {
  Frame frame;
  frame.is_selected = is_selected;
  frame.directory = std::make_shared<RestoredDirectory>();
  frame.directory->parent = frames_.back().directory;
  frame.directory->entry = entry;
  frame.directory->entry.clear_subtree();
  frame.directory->path = std::move(path);
  frame.directory->wants_attributes = is_selected;
  frames_.push_back(std::move(frame));
  if (is_selected) make();
}

bool RestoreDirectories::make() {
  for (Frame& frame : frames_) {
    if (!frame.is_made && !frame.is_broken) frame.is_broken = !make(frame);
    if (frame.is_broken) {
      frames_.back().is_broken = true;
      return false;
    }
  }
  return true;
}

bool RestoreDirectories::make(Frame& frame) {
  const Frame& above = *(&frame - 1);
  RestoredDirectory& directory = *frame.directory;
  RestoreAction action{};
  try {
    action = make_on_disk(frame, above.is_absent);
  } catch (const FileError& error) {
    report_.failed(directory.path, error);
    return false;
  }
  frame.is_made = true;
  ++directory.parent->pending;
  report_.made(action, directory.path, directory.entry);
  return true;
}

RestoreAction RestoreDirectories::make_on_disk(Frame& frame, bool is_parent_absent) {
  RestoredDirectory& directory = *frame.directory;
  const std::string& name = directory.entry.name();
  frame.is_absent = is_parent_absent;
  if (frame.is_absent) return RestoreAction::create;
  const auto parent = opened_->current();
  struct ::stat there {};
  const bool exists = ::fstatat(parent->get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
  if (exists && !options_.in_place) throw FileError{FailureKind::unwritable, "is there already"};
  const RestoreAction action = !exists                  ? RestoreAction::create
                               : S_ISDIR(there.st_mode) ? RestoreAction::keep
                                                        : RestoreAction::replace;
  frame.is_absent = options_.dry_run && action != RestoreAction::keep;
  if (!options_.dry_run && action == RestoreAction::replace) {
    restorer_.make_way(parent->get(), name);
  }
  if (!options_.dry_run && action != RestoreAction::keep) {
    if (::mkdirat(parent->get(), name.c_str(), 0700) != 0) {
      throw_target_error(errno, "creating the directory");
    }
    directory.wants_attributes = true;
  }
  if (frame.is_absent) return action;
  // Its mode is set when it is done.
  Fd fd = open_target_directory(parent->get(), name.c_str(), directory.wants_attributes);
  const struct ::stat attributes = stat_of(fd.get());
  const bool closed = ::geteuid() != 0 && (attributes.st_mode & S_IRWXU) != S_IRWXU;
  if (closed && directory.wants_attributes && !options_.dry_run &&
      ::fchmod(fd.get(), (attributes.st_mode & 07777U) | S_IRWXU) != 0) {
    throw_target_error(errno, "opening the directory to its owner");
  }
  opened_->enter(name, std::move(fd), attributes);
  return action;
}

std::shared_ptr<const Fd> RestoreDirectories::current() {
  const Frame& frame = frames_.back();
  if (!frame.is_made || frame.is_absent || frame.is_broken) return nullptr;
  return opened_->current();
}

void RestoreDirectories::leave() {
  const Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (!frame.is_made) return;
  RestoredDirectory& directory = *frame.directory;
  directory.closed = true;
  if (!frame.is_absent) {
    try {
      if (directory.wants_attributes && !options_.dry_run) directory.fd = opened_->current();
    } catch (const FileError& error) {
      report_.failed(directory.path, error);
    }
    if (!frames_.empty()) opened_->leave();
  }
  if (directory.fd && directory.pending > 0) ++held_;
  if (directory.pending == 0) finish(frame.directory);
}

void RestoreDirectories::finish(std::shared_ptr<RestoredDirectory> directory) {
  // That a directory is done may be what its parent waits for.
  while (directory && directory->closed && directory->pending == 0) {
    if (directory->fd) {
      try {
        attributes_.apply(directory->fd->get(), Access::path, directory->entry, directory->path);
      } catch (const FileError& error) {
        report_.failed(directory->path, error);
      }
      directory->fd.reset();
    }
    directory = directory->parent;
    if (directory) --directory->pending;
    if (directory && directory->closed && directory->pending == 0 && directory->fd) --held_;
  }
}

RestoreTask RestoreDirectories::begin(const Entry& entry, std::string path) {
  const Frame& frame = frames_.back();
  RestoreTask task{.directory = frame.is_absent ? nullptr : opened_->current(),
                   .entry = entry,
                   .path = std::move(path),
                   .parent = frame.directory};
  ++frame.directory->pending;
  return task;
}

void RestoreDirectories::done(const RestoreTask& task) {
  RestoredDirectory& parent = *task.parent;
  --parent.pending;
  if (!parent.closed || parent.pending > 0) return;
  if (parent.fd) --held_;
  finish(task.parent);
}

bool RestoreDirectories::are_too_many_held() const noexcept { return held_ > kMaxHeld; }

std::shared_ptr<const Fd> RestoreDirectories::find(const std::string& path) {
  if (last_found_.second && last_found_.first == path) return last_found_.second;
  auto at = target_;
  if (!at) return nullptr;
  for (std::size_t start = 0; start < path.size();) {
    const std::size_t slash = std::min(path.find('/', start), path.size());
    const std::string name = path.substr(start, slash - start);
    Fd next{::openat(at->get(), name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (!next) {
      if (options_.dry_run) return nullptr;  // and so is what would be in it
      throw_target_error(errno, "finding a linked file's directory again");
    }
    at = std::make_shared<const Fd>(std::move(next));
    start = slash + 1;
  }
  last_found_ = {path, at};
  return at;
}

}  // namespace vgerfs::repo
