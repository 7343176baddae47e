#include "repo/restore.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <optional>
#include <unordered_map>
#include <utility>

#include "base/fd.h"
#include "base/sha256.h"
#include "repo/file_entry.h"
#include "repo/scan.h"
#include "repo/tree_walk.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

/// Files at work or waiting, and directories that wait for them: both hold descriptors.
constexpr std::size_t kMaxOutstanding = 1024;
constexpr std::size_t kMaxHeldDirectories = 64;
constexpr auto kPatience = std::chrono::milliseconds{100};
/// Failures in a row to read a directory, before the walk is given up.
constexpr int kMaxReadFailures = 1000;

/// A directory until it has its attributes.
struct Directory {
  std::shared_ptr<Directory> parent;
  Entry entry;  // without its subtree
  std::string path;
  bool wants_attributes = true;
  bool closed = false;           // the walk has left it
  std::size_t pending = 0;       // what in it is not done
  std::shared_ptr<const Fd> fd;  // once closed
};

struct Task {
  std::shared_ptr<const Fd> directory;
  Entry entry;
  std::string path;
  std::shared_ptr<Directory> parent;  // the owner's business
};

struct Result {
  Task task;
  FileRestorer::Made made;
  std::optional<FileError> failure;
};

/// Names of one inode: the first is made, the others are linked to it.
struct LinkGroup {
  enum class State { under_way, made, skipped, failed };
  State state = State::under_way;
  Sha256Digest digest{};  // of what the names must agree in
  std::string first_path;
  FileRestorer::Made first;
  std::optional<std::uint32_t> names_left;  // to come, if the entry says how many there are
  std::vector<Task> waiting;

  bool is_over() const { return state != State::under_way && names_left == 0U; }
};

Sha256Digest digest_of(Entry entry) {
  entry.clear_name();
  return sha256(bytes_of(entry.SerializeAsString()));
}

std::string parent_of(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == path.npos ? std::string{} : path.substr(0, slash);
}

class Restore {
 public:
  Restore(ChunkReader& reader, const RestoreOptions& options, OperationProgress& progress,
          const RestoreListener& listener, crypto::Random& random);
  RestoreResult run(const Entry& entry);

 private:
  using Pool = WorkerPool<Task, Result>;
  struct Frame {
    std::shared_ptr<Directory> directory;
    bool selected = true;
    bool made = false;    // else only if something in it is wanted
    bool absent = false;  // in a dry run
    bool broken = false;  // it could not be made
  };

  RestorerContext restorer_context(std::stop_token stop);
  Pool::Worker make_worker(std::stop_token stop);
  void open_target(const Entry& entry);
  void walk(const Entry& entry);
  void visit(TreeWalk& walk);
  void leave();
  /// Makes the directories on the way that are not made yet. False if one cannot be.
  bool make_frames();
  bool make_directory(Frame& frame);
  Fd open_made(int parent, const Directory& directory) const;
  void close(const std::shared_ptr<Directory>& directory);
  void finish_directories(std::shared_ptr<Directory> directory);

  void restore(Task task);
  /// Of an entry with a link group: true if it is to be made, false if it was linked or waits to
  /// be.
  bool is_first_name(Task& task);
  /// The first name was made, or failed: then the next one is.
  void finish_group(std::uint64_t number, const Result& result);
  void link(const Task& task, LinkGroup& group);
  void finish(Result result);
  void report(const Task& task, RestoreAction action);
  void done(const Task& task);
  void collect(std::chrono::milliseconds timeout);
  std::shared_ptr<const Fd> directory_at(const std::string& path);

  void fail(const std::string& path, FailureKind kind, std::string reason);
  void fail(const std::string& path, const FileError& error) {
    fail(path, error.kind(), error.message());
  }
  void show(bool now = false);

  ChunkReader& reader_;
  const RestoreOptions& options_;
  OperationProgress& progress_;
  const RestoreListener& listener_;
  RestoreResult result_;
  RestoreLimits limits_;
  InodeClaims claims_;
  const AttributeWriter attributes_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::uint64_t items_ = 0;
  std::string current_;
  std::chrono::steady_clock::time_point next_update_;

  std::vector<Frame> frames_;
  std::shared_ptr<const Fd> target_;          // null: absent, in a dry run
  std::optional<DirectoryPath> directories_;  // of the frames that are made
  std::size_t held_directories_ = 0;
  std::unordered_map<std::uint64_t, LinkGroup> groups_;
  std::pair<std::string, std::shared_ptr<const Fd>> last_directory_;  // of directory_at
  crypto::Random& random_;
  const FileRestorer restorer_;
  Pool pool_;  // last: its threads use what is above
};

Restore::Restore(ChunkReader& reader, const RestoreOptions& options, OperationProgress& progress,
                 const RestoreListener& listener, crypto::Random& random)
    : reader_(reader),
      options_(options),
      progress_(progress),
      listener_(listener),
      attributes_(reader, limits_),
      random_(random),
      restorer_(restorer_context(options.stop)),
      pool_(Pool::Options{.thread_name = "vgerfs-restore", .threads = options.threads},
            options.stop, [this](std::stop_token stop) { return make_worker(std::move(stop)); }) {}

RestorerContext Restore::restorer_context(std::stop_token stop) {
  return {.reader = reader_,
          .attributes = attributes_,
          .limits = limits_,
          .claims = claims_,
          .random = random_,
          .in_place = options_.in_place,
          .verify = options_.verify,
          .dry_run = options_.dry_run,
          .stop = std::move(stop),
          .bytes = bytes_};
}

Restore::Pool::Worker Restore::make_worker(std::stop_token stop) {
  return
      [restorer = std::make_shared<FileRestorer>(restorer_context(std::move(stop)))](Task& task) {
        Result result;
        try {
          // Without a directory nothing is there yet: only in a dry run.
          if (task.directory)
            result.made = restorer->restore(task.directory->get(), task.entry, task.path);
        } catch (const FileError& error) {
          result.failure = error;
        }
        task.directory.reset();
        result.task = std::move(task);
        return result;
      };
}

RestoreResult Restore::run(const Entry& entry) {
  open_target(entry);
  if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    walk(entry);
  } else {
    restore({.directory = frames_.back().absent ? nullptr : directories_->current(),
             .entry = entry,
             .path = entry.name(),
             .parent = frames_.back().directory});
    leave();
  }
  while (pool_.outstanding() > 0) collect(kPatience);
  result_.limits = limits_.list();
  show(true);
  return std::move(result_);
}

void Restore::open_target(const Entry& entry) {
  if (!options_.dry_run) make_directories(options_.target, 0755);
  Frame frame;
  frame.made = true;
  frame.selected = options_.include.empty();
  frame.directory = std::make_shared<Directory>();
  frame.directory->wants_attributes = frame.selected && entry.type() == EntryType::ENTRY_DIRECTORY;
  frame.directory->entry = entry;
  struct ::stat there {};
  frame.absent =
      options_.dry_run && ::stat(options_.target.c_str(), &there) != 0 && errno == ENOENT;
  if (!frame.absent) {
    Fd fd = open_file(options_.target, O_RDONLY | O_DIRECTORY);
    if (!options_.in_place) {
      const Listing listing = list_directory(fd.get());
      // A fresh file system has this one.
      const bool empty = listing.names.size() == (listing.names.contains("lost+found") ? 1U : 0U);
      if (listing.error_number != 0 || !empty) {
        throw Error{ErrorCode::exists, fmt::format("'{}' is not empty", options_.target),
                    "restore into an empty directory, or say that it is to be restored in place"};
      }
    }
    const struct ::stat attributes = stat_of(fd.get());
    directories_.emplace(std::move(fd), attributes);
    target_ = directories_->current();
  }
  frames_.push_back(std::move(frame));
}

void Restore::walk(const Entry& entry) {
  TreeWalk walk{reader_, entry, {}};
  for (int failures = 0;;) {
    collect({});
    while (pool_.outstanding() >= kMaxOutstanding || held_directories_ > kMaxHeldDirectories)
      collect(kPatience);
    TreeWalk::Event event{};
    try {
      event = walk.next();
      failures = 0;
    } catch (const Error& error) {
      if (!is_damage(error) || ++failures > kMaxReadFailures) throw;
      fail(frames_.back().directory->path, FailureKind::corrupt, error.message());
      continue;
    }
    switch (event) {
      case TreeWalk::Event::entry: visit(walk); break;
      case TreeWalk::Event::leave: leave(); break;
      case TreeWalk::Event::end: leave(); return;
    }
  }
}

void Restore::visit(TreeWalk& walk) {
  const Entry& entry = walk.entry();
  const bool is_directory = entry.type() == EntryType::ENTRY_DIRECTORY;
  current_ = walk.path();
  show();
  if (frames_.back().broken) return;
  if (options_.exclude.verdict(walk.path(), is_directory).value_or(false)) return;
  bool selected = frames_.back().selected;
  if (!options_.include.empty())
    selected = options_.include.verdict(walk.path(), is_directory).value_or(selected);
  if (!is_directory) {
    if (!selected || !make_frames()) return;
    restore({.directory = frames_.back().absent ? nullptr : directories_->current(),
             .entry = entry,
             .path = walk.path(),
             .parent = frames_.back().directory});
    return;
  }
  Frame frame;
  frame.selected = selected;
  frame.directory = std::make_shared<Directory>();
  frame.directory->parent = frames_.back().directory;
  frame.directory->entry = entry;
  frame.directory->entry.clear_subtree();
  frame.directory->path = walk.path();
  frame.directory->wants_attributes = selected;
  try {
    walk.enter();
  } catch (const Error& error) {
    fail(frame.directory->path, FailureKind::corrupt, error.message());
    return;
  }
  frames_.push_back(std::move(frame));
  if (selected) make_frames();
}

bool Restore::make_frames() {
  for (Frame& frame : frames_) {
    if (!frame.made && !frame.broken) frame.broken = !make_directory(frame);
    if (frame.broken) {
      frames_.back().broken = true;
      return false;
    }
  }
  return true;
}

Fd Restore::open_made(int parent, const Directory& directory) const {
  const char* name = directory.entry.name().c_str();
  constexpr int kFlags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
  Fd fd{::openat(parent, name, kFlags)};
  if (!fd && errno == EACCES && directory.wants_attributes) {
    // This user's own, but closed to himself. Its mode is set when it is done.
    const Fd closed{::openat(parent, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC)};
    if (closed && ::chmod(descriptor_path(closed.get()).c_str(), 0700) == 0)
      fd = Fd{::openat(parent, name, kFlags)};
  }
  if (!fd) throw_target_error(errno, "opening the directory");
  return fd;
}

bool Restore::make_directory(Frame& frame) {
  const Frame& above = *(&frame - 1);
  Directory& directory = *frame.directory;
  const std::string& name = directory.entry.name();
  RestoreAction action = RestoreAction::create;
  try {
    frame.absent = above.absent;
    if (!frame.absent) {
      const auto parent = directories_->current();
      struct ::stat there {};
      const bool exists = ::fstatat(parent->get(), name.c_str(), &there, AT_SYMLINK_NOFOLLOW) == 0;
      if (exists && !options_.in_place)
        throw FileError{FailureKind::unwritable, "is there already"};
      if (exists) action = S_ISDIR(there.st_mode) ? RestoreAction::keep : RestoreAction::replace;
      frame.absent = options_.dry_run && action != RestoreAction::keep;
      if (!options_.dry_run && action == RestoreAction::replace)
        restorer_.make_way(parent->get(), name);
      if (!options_.dry_run && action != RestoreAction::keep) {
        if (::mkdirat(parent->get(), name.c_str(), 0700) != 0)
          throw_target_error(errno, "creating the directory");
        directory.wants_attributes = true;
      }
      if (!frame.absent) {
        Fd fd = open_made(parent->get(), directory);
        struct ::stat attributes = stat_of(fd.get());
        const bool closed = ::geteuid() != 0 && (attributes.st_mode & S_IRWXU) != S_IRWXU;
        if (closed && directory.wants_attributes && !options_.dry_run &&
            ::fchmod(fd.get(), (attributes.st_mode & 07777U) | S_IRWXU) != 0) {
          throw_target_error(errno, "opening the directory to its owner");
        }
        directories_->enter(name, std::move(fd), attributes);
      }
    }
  } catch (const FileError& error) {
    fail(directory.path, error);
    return false;
  }
  frame.made = true;
  ++directory.parent->pending;
  ++items_;
  if (action == RestoreAction::keep) {
    ++result_.kept;
  } else {
    ++result_.directories;
  }
  if (listener_) listener_(action, directory.path, directory.entry);
  return true;
}

void Restore::leave() {
  const Frame frame = std::move(frames_.back());
  frames_.pop_back();
  if (!frame.made) return;
  Directory& directory = *frame.directory;
  directory.closed = true;
  if (!frame.absent) {
    try {
      if (directory.wants_attributes && !options_.dry_run) directory.fd = directories_->current();
    } catch (const FileError& error) {
      fail(directory.path, error);
    }
    if (!frames_.empty()) directories_->leave();
  }
  if (directory.fd && directory.pending > 0) ++held_directories_;
  if (directory.pending == 0) finish_directories(frame.directory);
}

void Restore::finish_directories(std::shared_ptr<Directory> directory) {
  // A directory's attributes come when nothing in it is changed any more; that may be what its
  // parent waits for.
  while (directory && directory->closed && directory->pending == 0) {
    if (directory->fd) {
      try {
        attributes_.apply(directory->fd->get(), Access::path, directory->entry, directory->path);
      } catch (const FileError& error) {
        fail(directory->path, error);
      }
      directory->fd.reset();
    }
    directory = directory->parent;
    if (directory) --directory->pending;
    if (directory && directory->closed && directory->pending == 0 && directory->fd)
      --held_directories_;
  }
}

void Restore::restore(Task task) {
  ++task.parent->pending;
  if (task.entry.link_group() != 0 && !is_first_name(task)) return;
  const std::uint64_t bytes = task.entry.size();
  pool_.submit(std::move(task), bytes);
}

bool Restore::is_first_name(Task& task) {
  const Sha256Digest digest = digest_of(task.entry);
  const auto [place, is_new] = groups_.try_emplace(task.entry.link_group());
  LinkGroup& group = place->second;
  if (!is_new && group.digest != digest) {
    // Not what the other names are: numbers may collide. It is restored by itself.
    task.entry.clear_link_group();
    return true;
  }
  if (is_new) {
    group.digest = digest;
    if (task.entry.link_count() > 0) group.names_left = task.entry.link_count() - 1;
  } else if (group.names_left.value_or(0) > 0) {
    --*group.names_left;
  }
  switch (is_new ? LinkGroup::State::failed : group.state) {
    case LinkGroup::State::under_way:
      task.directory.reset();  // many may wait
      group.waiting.push_back(std::move(task));
      return false;
    case LinkGroup::State::failed:
      group.state = LinkGroup::State::under_way;
      group.first_path = task.path;
      return true;
    case LinkGroup::State::made: link(task, group); break;
    case LinkGroup::State::skipped: done(task); break;
  }
  if (group.is_over()) groups_.erase(place);
  return false;
}

void Restore::link(const Task& task, LinkGroup& group) {
  try {
    const auto first = directory_at(parent_of(group.first_path));
    const auto directory = directory_at(parent_of(task.path));
    const std::string first_name = group.first_path.substr(group.first_path.rfind('/') + 1);
    if (first && directory) {
      report(task, restorer_.link(directory->get(), task.entry.name(), first->get(), first_name,
                                  group.first));
    } else {
      report(task, RestoreAction::create);
    }
  } catch (const FileError& error) {
    fail(task.path, error);
  }
  done(task);
}

std::shared_ptr<const Fd> Restore::directory_at(const std::string& path) {
  if (last_directory_.second && last_directory_.first == path) return last_directory_.second;
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
  last_directory_ = {path, at};
  return at;
}

void Restore::finish(Result result) {
  const Task& task = result.task;
  if (result.failure) {
    fail(task.path, *result.failure);
  } else {
    if (result.made.problem) fail(task.path, *result.made.problem);
    if (!result.made.skipped) report(task, result.made.action);
    if (result.made.action != RestoreAction::keep) result_.bytes += task.entry.size();
  }
  if (task.entry.link_group() != 0) finish_group(task.entry.link_group(), result);
  done(task);
}

void Restore::finish_group(std::uint64_t number, const Result& result) {
  const auto place = groups_.find(number);
  VGERFS_CHECK(place != groups_.end());
  LinkGroup& group = place->second;
  group.first = result.made;
  group.state = result.failure        ? LinkGroup::State::failed
                : result.made.skipped ? LinkGroup::State::skipped
                                      : LinkGroup::State::made;
  std::vector<Task> waiting = std::exchange(group.waiting, {});
  for (Task& task : waiting) {
    switch (group.state) {
      case LinkGroup::State::made: link(task, group); break;
      case LinkGroup::State::skipped: done(task); break;
      case LinkGroup::State::under_way: group.waiting.push_back(std::move(task)); break;
      case LinkGroup::State::failed: try { task.directory = directory_at(parent_of(task.path));
        } catch (const FileError& error) {
          fail(task.path, error);
          done(task);
          break;
        }
        group.state = LinkGroup::State::under_way;
        group.first_path = task.path;
        const std::uint64_t bytes = task.entry.size();
        pool_.submit(std::move(task), bytes);
        break;
    }
  }
  if (group.is_over()) groups_.erase(place);
}

void Restore::report(const Task& task, RestoreAction action) {
  ++items_;
  if (action == RestoreAction::keep) {
    ++result_.kept;
  } else if (task.entry.type() == EntryType::ENTRY_FILE) {
    ++result_.files;
  } else {
    ++result_.others;
  }
  if (listener_) listener_(action, task.path, task.entry);
}

void Restore::done(const Task& task) {
  Directory& parent = *task.parent;
  --parent.pending;
  if (!parent.closed || parent.pending > 0) return;
  if (parent.fd) --held_directories_;
  finish_directories(task.parent);
}

void Restore::collect(std::chrono::milliseconds timeout) {
  if (options_.stop.stop_requested())
    throw Error{ErrorCode::interrupted, "the restore was stopped"};
  for (Result& result : pool_.take(timeout)) finish(std::move(result));
  show();
}

void Restore::fail(const std::string& path, FailureKind kind, std::string reason) {
  FileFailure failure{path, kind, std::move(reason)};
  progress_.failed(failure);
  result_.failures.add(std::move(failure));
}

void Restore::show(bool now) {
  const auto time = std::chrono::steady_clock::now();
  if (!now && time < next_update_) return;
  next_update_ = time + kPatience;
  OperationCounts counts = options_.expected;
  counts.items = items_;
  counts.bytes = bytes_;
  progress_.update(counts, current_);
}

}  // namespace

RestoreResult run_restore(ChunkReader& reader, const Entry& entry, const RestoreOptions& options,
                          OperationProgress& progress, const RestoreListener& listener,
                          crypto::Random& random) {
  return Restore{reader, options, progress, listener, random}.run(entry);
}

}  // namespace vgerfs::repo
