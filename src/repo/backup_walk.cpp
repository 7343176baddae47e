#include "repo/backup_walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cerrno>
#include <chrono>
#include <memory>
#include <unordered_map>
#include <utility>

#include "base/log.h"
#include "repo/file_entry.h"
#include "repo/file_hash.h"
#include "repo/hard_links.h"
#include "repo/limits.h"
#include "repo/number_set.h"
#include "repo/read_pool.h"
#include "repo/scan.h"
#include "repo/tree_assembler.h"

namespace vgerfs::repo {
namespace {

/// Entries that wait in memory for others to be read.
constexpr std::size_t kMaxPending = 16 * 1024;
constexpr auto kUpdateInterval = std::chrono::milliseconds{100};
constexpr const char* kCacheTag = "CACHEDIR.TAG";
constexpr std::string_view kCacheSignature = "Signature: 8a477f597d28d172789f06886806bc55";

bool is_tagged_cache(int directory, const NameList& names) {
  if (!names.contains(kCacheTag)) return false;
  std::array<std::byte, kCacheSignature.size()> head;
  try {
    const Fd tag = open_source(directory, kCacheTag, O_RDONLY | O_NONBLOCK | O_NOCTTY, ::geteuid());
    return S_ISREG(stat_of(tag.get()).st_mode) &&
           read_at(tag.get(), head, 0, kCacheTag) == head.size() &&
           text_of(head) == kCacheSignature;
  } catch (const Error&) {
    return false;  // then it is treated, and its failure reported, like any other file
  }
}

Fd open_directory(int parent, const char* name, uid_t owner, bool readable, bool follow) {
  const int flags = (readable ? O_RDONLY : O_PATH) | O_DIRECTORY;
  if (!follow) return open_source(parent, name, flags, owner);
  Fd fd{::openat(parent, name, flags | O_CLOEXEC)};
  if (!fd) throw source_error(errno, "opening");
  return fd;
}

/// The same content, as far as attributes tell.
bool agrees(const Entry& entry, const struct ::stat& attributes) {
  return entry.type() == entry_type(attributes.st_mode) &&
         mtime_of(entry) == mtime_of(attributes) && ctime_of(entry) == ctime_of(attributes) &&
         (entry.type() != EntryType::ENTRY_FILE ||
          entry.size() == static_cast<std::uint64_t>(attributes.st_size));
}

class Walk {
 public:
  Walk(const BackupRoots& roots, const std::optional<WalkBase>& base, const WalkContext& context);
  WalkResult run();

 private:
  /// One directory under way.
  struct Frame {
    TreeAssembler::Directory* directory = nullptr;
    NameList names;
    std::size_t next = 0;
    const RootNode* given = nullptr;       // null: nothing below was given by itself
    bool given_only = false;               // `names` are those of `given`, not all that is there
    std::unique_ptr<DirectoryReader> old;  // the same directory in the base
    const Entry* old_entry = nullptr;      // where that stands
    unsigned old_failures = 0;
    dev_t device = 0;
    std::size_t path_bytes = 0;
    std::uint64_t path_hash = 0;
  };
  /// A file that is being read, or waits for another name of its inode.
  struct Pending {
    TreeAssembler::Place* place = nullptr;
    std::string path;
    std::uint64_t path_hash = 0;
    bool was_there = false;  // in the base
    std::shared_ptr<const Fd> directory;
    struct ::stat seen {};
  };
  using Links = HardLinks<Pending>;

  /// How a directory is entered.
  struct Way {
    const RootNode* given = nullptr;  // null: it and what is below was not given by itself
    bool all = true;                  // else only what was given below it
    bool follow = false;              // a symlink leads to it
  };

  void open_root();
  void step();
  void visit(const char* name);
  void visit_file(const char* name, const struct ::stat& seen, std::uint64_t hash);
  void visit_directory(const char* name, const struct ::stat& seen, std::uint64_t hash,
                       const Way& way);
  /// Entry of an open directory, without contents.
  Entry describe_directory(int fd, Access access, const struct ::stat& attributes);
  bool stays_outside(int fd, const struct ::stat& attributes, const RootNode* given);
  /// Begins a directory whose names are to be visited.
  void enter(Entry entry, Fd fd, const struct ::stat& attributes, std::uint64_t hash,
             const Way& way, const Entry* old);
  const Entry* find_old(Frame& frame, std::string_view name);

  void read(Pending pending);
  void collect(std::chrono::milliseconds timeout);
  void finish(ReadResult result);
  /// The inode's next waiting name takes its turn.
  void try_next_link(const Links::Inode& inode);
  /// For names whose descriptor was let go: many may wait for one inode.
  std::shared_ptr<const Fd> directory_of(const std::string& path) const;
  void finish_file(Pending& pending, Entry entry, std::optional<std::uint64_t> hash);
  void count(const Entry& entry);
  void fail(std::string path, FailureKind kind, std::string reason);
  void fail(const FileError& error) { fail(path_, error.kind(), error.message()); }
  void show(bool now = false);

  const BackupRoots& roots_;
  const std::optional<WalkBase>& base_;
  const WalkContext& context_;
  const BackupOptions& options_;
  WalkResult result_;
  OwnerNames names_;
  std::atomic<std::uint64_t> bytes_read_ = 0;
  std::uint64_t bytes_unchanged_ = 0;
  std::uint64_t visited_ = 0;
  std::chrono::steady_clock::time_point next_update_;
  NumberSet link_groups_;
  Links links_;
  std::unordered_map<std::uint64_t, Pending> pending_;  // by the pool's ticket
  std::uint64_t next_ticket_ = 0;
  std::vector<Frame> frames_;
  std::string path_;  // of what is visited, relative to the root
  std::optional<DirectoryPath> directories_;
  TreeAssembler assembler_;
  std::optional<CaptureContext> capture_;
  std::optional<ReadPool> pool_;  // last: its threads use what is above
};

Walk::Walk(const BackupRoots& roots, const std::optional<WalkBase>& base,
           const WalkContext& context)
    : roots_(roots),
      base_(base),
      context_(context),
      options_(context.options),
      assembler_(context.sink, context.split_key,
                 [this](const TreeAssembler::Directory& directory, const std::string& name,
                        const std::string& reason) {
                   const std::string& parent = TreeAssembler::path_of(directory);
                   fail(parent.empty() ? name : parent + "/" + name, FailureKind::unreadable,
                        "cannot be stored: " + reason);
                 }) {}

WalkResult Walk::run() {
  for (const FileFailure& missing : roots_.missing)
    fail(missing.path, missing.kind, missing.reason);
  open_root();
  while (!frames_.empty()) {
    if (options_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the backup was stopped"};
    collect({});
    while (assembler_.pending() > kMaxPending && pool_->outstanding() > 0) collect(kUpdateInterval);
    step();
  }
  while (pool_->outstanding() > 0) {
    if (options_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the backup was stopped"};
    collect(kUpdateInterval);
  }
  result_.root = assembler_.take_root();
  result_.statistics.set_failed(result_.failures.count);
  show(true);
  return std::move(result_);
}

void Walk::open_root() {
  const bool all = roots_.root.given;
  Fd fd = open_file(roots_.base, (all ? O_RDONLY : O_PATH) | O_DIRECTORY);
  const struct ::stat attributes = stat_of(fd.get());
  capture_.emplace(CaptureContext{.sink = context_.sink,
                                  .chunker = context_.chunker,
                                  .names = names_,
                                  .home_device = attributes.st_dev,
                                  .settle_ms = options_.settle_ms,
                                  .stop = options_.stop,
                                  .bytes_read = bytes_read_});
  pool_.emplace(*capture_, options_.read_threads);
  Entry entry = describe_directory(fd.get(), all ? Access::open : Access::path, attributes);
  enter(std::move(entry), std::move(fd), attributes, 0, {&roots_.root, all, true},
        base_ ? &base_->root : nullptr);
}

void Walk::step() {
  Frame& frame = frames_.back();
  path_.resize(frame.path_bytes);
  if (frame.next < frame.names.size()) {
    visit(frame.names[frame.next++]);
    return;
  }
  assembler_.close(*frame.directory);
  frames_.pop_back();
  if (!frames_.empty()) directories_->leave();
}

void Walk::visit(const char* name) {
  Frame& frame = frames_.back();
  ++visited_;
  show();
  std::shared_ptr<const Fd> directory;
  try {
    directory = directories_->current();
  } catch (const FileError& error) {
    fail(error);
    frame.next = frame.names.size();  // the names that are left cannot be reached
    return;
  }
  if (!path_.empty()) path_ += '/';
  path_ += name;
  const RootNode* given = frame.given == nullptr ? nullptr : frame.given->child(name);
  struct ::stat seen {};
  int failed = ::fstatat(directory->get(), name, &seen, AT_SYMLINK_NOFOLLOW);
  const bool follow = failed == 0 && S_ISLNK(seen.st_mode) && given != nullptr && given->follow;
  if (follow) failed = ::fstatat(directory->get(), name, &seen, 0);
  if (failed != 0) {
    fail(source_error(errno, "reading attributes"));
    return;
  }
  const bool is_directory = S_ISDIR(seen.st_mode);
  const bool excluded = options_.excludes.verdict(path_, is_directory).value_or(false);
  if (given == nullptr && excluded) return;
  const std::uint64_t hash = path_hash(frame.path_hash, name);
  if (is_directory) {
    // What was not given itself is wanted as a part of what was: unless it is excluded, or only a
    // link leads to it.
    const bool all = given == nullptr || given->given || !(frame.given_only || excluded || follow);
    visit_directory(name, seen, hash, {given, all, follow});
  } else if (entry_type(seen.st_mode) == EntryType::ENTRY_UNSPECIFIED) {
    fail(path_, FailureKind::unreadable, "files of this type cannot be stored");
  } else {
    visit_file(name, seen, hash);
  }
}

const Entry* Walk::find_old(Frame& frame, std::string_view name) {
  constexpr unsigned kPatience = 16;
  while (frame.old && (frame.old_entry == nullptr || frame.old_entry->name() < name)) {
    try {
      frame.old_entry = frame.old->next();
      if (frame.old_entry == nullptr) frame.old.reset();
    } catch (const Error& error) {
      // Without the old entries files count as new: more work, nothing lost. A store that is away
      // fails soon enough.
      frame.old_entry = nullptr;
      log::warning("the last snapshot's directory '{}' cannot be read: {}",
                   TreeAssembler::path_of(*frame.directory), error.what());
      if (++frame.old_failures == kPatience) frame.old.reset();
    }
  }
  return frame.old_entry != nullptr && frame.old_entry->name() == name ? frame.old_entry : nullptr;
}

void Walk::visit_file(const char* name, const struct ::stat& seen, std::uint64_t hash) {
  Frame& frame = frames_.back();
  const Entry* old = find_old(frame, name);
  if (old != nullptr && !options_.read_all && agrees(*old, seen)) {
    const std::uint64_t stat = stat_hash(seen);
    if (base_->fingerprints.matches(hash, stat)) {
      Entry entry = *old;
      set_owner_names(entry, names_);
      result_.fingerprints.add(hash, stat);
      if (entry.type() == EntryType::ENTRY_FILE) {
        result_.statistics.set_files_unchanged(result_.statistics.files_unchanged() + 1);
        bytes_unchanged_ += entry.size();
      }
      count(entry);
      assembler_.add(*frame.directory, std::move(entry));
      return;
    }
  }
  Pending pending{.place = &assembler_.take_place(*frame.directory),
                  .path = path_,
                  .path_hash = hash,
                  .was_there = old != nullptr && old->type() == EntryType::ENTRY_FILE,
                  .directory = directories_->current(),
                  .seen = seen};
  if (seen.st_nlink > 1) {
    // Waiting names need no descriptor, and there may be many.
    auto directory = std::exchange(pending.directory, nullptr);
    switch (links_.meet(seen, pending)) {
      case Links::Found::waiting: return;
      case Links::Found::entry: {
        Links::Known known = links_.take(Links::inode_of(seen));
        finish_file(pending, std::move(known.entry), known.stat_hash);
        return;
      }
      case Links::Found::nothing: pending.directory = std::move(directory); break;
    }
  }
  read(std::move(pending));
}

void Walk::read(Pending pending) {
  const std::uint64_t ticket = next_ticket_++;
  std::string name = pending.path.substr(pending.path.rfind('/') + 1);
  pool_->submit({.directory = std::move(pending.directory),
                 .name = std::move(name),
                 .seen = pending.seen,
                 .ticket = ticket});
  pending_.emplace(ticket, std::move(pending));
}

void Walk::collect(std::chrono::milliseconds timeout) {
  for (ReadResult& result : pool_->take(timeout)) finish(std::move(result));
  if (timeout.count() > 0) show();
}

void Walk::finish(ReadResult result) {
  const auto found = pending_.find(result.ticket);
  VGERFS_CHECK(found != pending_.end());
  Pending pending = std::move(found->second);
  pending_.erase(found);
  const bool linked = pending.seen.st_nlink > 1;
  const Links::Inode inode = Links::inode_of(pending.seen);
  if (result.failure) {
    fail(pending.path, result.failure->kind(), result.failure->message());
    assembler_.drop(*pending.place);
    if (linked) try_next_link(inode);  // what failed may have been this name only
    return;
  }
  if (result.file.problem)
    fail(pending.path, result.file.problem->kind(), result.file.problem->message());
  std::optional<std::uint64_t> hash;
  if (result.file.settled) hash = stat_hash(result.file.attributes);
  if (linked) {
    // If another file has taken this name meanwhile, its entry is not the inode's.
    const bool same = Links::inode_of(result.file.attributes) == inode;
    if (same) {
      for (Pending& other : links_.done(inode, {result.file.entry, hash}))
        finish_file(other, result.file.entry, hash);
    } else {
      try_next_link(inode);
    }
  }
  finish_file(pending, std::move(result.file.entry), hash);
}

void Walk::try_next_link(const Links::Inode& inode) {
  while (auto next = links_.failed(inode)) {
    try {
      next->directory = directory_of(next->path);
      read(std::move(*next));
      return;
    } catch (const FileError& error) {
      fail(next->path, error.kind(), error.message());
      assembler_.drop(*next->place);
    }
  }
}

std::shared_ptr<const Fd> Walk::directory_of(const std::string& path) const {
  auto at = std::make_shared<const Fd>(open_file(roots_.base, O_PATH | O_DIRECTORY));
  const RootNode* given = &roots_.root;
  for (std::size_t start = 0, slash; (slash = path.find('/', start)) != path.npos;
       start = slash + 1) {
    const std::string name = path.substr(start, slash - start);
    if (given != nullptr) given = given->child(name);
    const bool follow = given != nullptr && given->follow;
    at = std::make_shared<const Fd>(open_directory(at->get(), name.c_str(), 0, false, follow));
  }
  return at;
}

void Walk::finish_file(Pending& pending, Entry entry, std::optional<std::uint64_t> hash) {
  entry.set_name(pending.path.substr(pending.path.rfind('/') + 1));
  if (hash) {
    result_.fingerprints.add(pending.path_hash, *hash);
    result_.read_something = true;
  }
  auto& statistics = result_.statistics;
  if (entry.type() == EntryType::ENTRY_FILE) {
    if (pending.was_there) {
      statistics.set_files_changed(statistics.files_changed() + 1);
    } else {
      statistics.set_files_new(statistics.files_new() + 1);
    }
  }
  count(entry);
  assembler_.fill(*pending.place, std::move(entry));
}

void Walk::count(const Entry& entry) {
  auto& statistics = result_.statistics;
  if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    statistics.set_directories(statistics.directories() + 1);
  } else if (entry.type() == EntryType::ENTRY_FILE) {
    statistics.set_files(statistics.files() + 1);
    if (entry.link_group() == 0 || link_groups_.insert(entry.link_group())) {
      statistics.set_logical_bytes(statistics.logical_bytes() + entry.size());
    }
  } else {
    statistics.set_others(statistics.others() + 1);
  }
}

Entry Walk::describe_directory(int fd, Access access, const struct ::stat& attributes) {
  Entry entry;
  set_attributes(entry, attributes, names_);
  try {
    add_xattrs(entry, read_xattrs(fd, access), context_.sink);
  } catch (const FileError& error) {
    fail(error);
  }
  return entry;
}

bool Walk::stays_outside(int fd, const struct ::stat& attributes, const RootNode* given) {
  if (frames_.size() >= kMaxDirectoryDepth) {
    fail(path_, FailureKind::unreadable,
         fmt::format("directories are nested deeper than {}", kMaxDirectoryDepth));
    return true;
  }
  if (given != nullptr || attributes.st_dev == frames_.back().device) return false;
  return options_.one_file_system || is_kernel_file_system(fd);
}

void Walk::visit_directory(const char* name, const struct ::stat& seen, std::uint64_t hash,
                           const Way& way) {
  Frame& frame = frames_.back();
  const Entry* old = find_old(frame, name);
  if (old != nullptr && old->type() != EntryType::ENTRY_DIRECTORY) old = nullptr;
  Entry entry;
  try {
    Fd fd = open_directory(directories_->current()->get(), name, seen.st_uid, way.all, way.follow);
    const struct ::stat attributes = stat_of(fd.get());
    entry = describe_directory(fd.get(), way.all ? Access::open : Access::path, attributes);
    entry.set_name(name);
    if (!stays_outside(fd.get(), attributes, way.given)) {
      count(entry);
      enter(std::move(entry), std::move(fd), attributes, hash, way, old);
      return;
    }
  } catch (const FileError& error) {
    fail(error);
    if (error.kind() == FailureKind::vanished) return;
    // What is in it is lost to this snapshot, but not that it is there.
    if (entry.name().empty()) {
      set_attributes(entry, seen, names_);
      entry.set_name(name);
    }
  }
  count(entry);
  assembler_.add(*frame.directory, std::move(entry));
}

void Walk::enter(Entry entry, Fd fd, const struct ::stat& attributes, std::uint64_t hash,
                 const Way& way, const Entry* old) {
  Frame frame;
  frame.given = way.given;
  frame.given_only = !way.all;
  frame.device = attributes.st_dev;
  frame.path_bytes = path_.size();
  frame.path_hash = hash;
  if (frame.given_only) {
    for (const auto& [name, child] : way.given->children) frame.names.add(name);
    frame.names.sort();
  } else {
    Listing listing = list_directory(fd.get());
    if (listing.error_number != 0) {
      if (!directories_ && listing.names.size() == 0)
        throw system_error(listing.error_number, roots_.base);
      fail(source_error(listing.error_number, "reading the directory"));
    }
    frame.names = std::move(listing.names);
    if (options_.exclude_caches && way.given == nullptr && is_tagged_cache(fd.get(), frame.names)) {
      frame.names = {};
      frame.names.add(kCacheTag);
    }
  }
  if (old != nullptr && base_)
    frame.old = std::make_unique<DirectoryReader>(base_->trees, subtree_of(*old));
  const auto times =
      frame.given_only ? TreeAssembler::Times::newest_inside : TreeAssembler::Times::own;
  const std::string name = entry.name();
  frame.directory = &assembler_.open(frames_.empty() ? nullptr : frames_.back().directory,
                                     std::move(entry), path_, times);
  if (directories_) {
    directories_->enter(
        name, std::move(fd), attributes,
        way.follow ? DirectoryPath::Links::followed : DirectoryPath::Links::never_followed);
  } else {
    directories_.emplace(std::move(fd), attributes);
  }
  frames_.push_back(std::move(frame));
}

void Walk::fail(std::string path, FailureKind kind, std::string reason) {
  FileFailure failure{std::move(path), kind, std::move(reason)};
  context_.progress.failed(failure);
  result_.failures.add(std::move(failure));
}

void Walk::show(bool now) {
  if (!now && visited_ % 64 != 0 && pool_->outstanding() == 0) return;
  const auto time = std::chrono::steady_clock::now();
  if (!now && time < next_update_) return;
  next_update_ = time + kUpdateInterval;
  OperationCounts counts = context_.expected;
  const auto& statistics = result_.statistics;
  counts.items = statistics.files() + statistics.directories() + statistics.others();
  counts.bytes = bytes_unchanged_ + bytes_read_;
  context_.progress.update(counts, path_);
}

}  // namespace

WalkResult walk_files(const BackupRoots& roots, const std::optional<WalkBase>& base,
                      const WalkContext& context) {
  return Walk{roots, base, context}.run();
}

}  // namespace vgerfs::repo
