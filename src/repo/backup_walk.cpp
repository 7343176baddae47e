#include "repo/backup_walk.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <chrono>
#include <memory>
#include <utility>

#include "base/log.h"
#include "repo/backup_reads.h"
#include "repo/backup_tally.h"
#include "repo/file_entry.h"
#include "repo/file_hash.h"
#include "repo/limits.h"
#include "repo/scan.h"
#include "repo/tree_assembler.h"

namespace vgerfs::repo {
namespace {

/// Entries that wait in memory for others to be read.
constexpr std::size_t kMaxPending = 16 * 1024;
/// For something to be read, before the user's wishes are looked at again.
constexpr auto kPatience = std::chrono::milliseconds{100};
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
    std::string old_failure;
    dev_t device = 0;
    std::size_t path_bytes = 0;
    std::uint64_t path_hash = 0;
  };
  /// How a directory is entered.
  struct Way {
    const RootNode* given = nullptr;  // null: it and what is below was not given by itself
    bool all = true;                  // else only what was given below it
    bool follow = false;              // a symlink leads to it
  };

  void open_root();
  void collect(std::chrono::milliseconds timeout);
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

  /// The directory of a path in the tree, opened anew.
  std::shared_ptr<const Fd> directory_of(const std::string& path) const;
  void fail(const FileError& error) { tally_.fail(path_, error); }

  const BackupRoots& roots_;
  const std::optional<WalkBase>& base_;
  const WalkContext& context_;
  const BackupOptions& options_;
  BackupTally tally_;
  OwnerNames names_;
  std::vector<Frame> frames_;
  std::string path_;     // of what is visited, relative to the root
  std::string current_;  // visited last
  std::optional<DirectoryPath> directories_;
  TreeAssembler assembler_;
  std::optional<BackupReads> reads_;  // last: its threads use what is above
};

Walk::Walk(const BackupRoots& roots, const std::optional<WalkBase>& base,
           const WalkContext& context)
    : roots_(roots),
      base_(base),
      context_(context),
      options_(context.options),
      tally_(context.progress, context.expected),
      assembler_(context.sink, context.split_key,
                 [this](const TreeAssembler::Directory& directory, const std::string& name,
                        const std::string& reason) {
                   const std::string& parent = TreeAssembler::path_of(directory);
                   tally_.fail(parent.empty() ? name : parent + "/" + name, FailureKind::unreadable,
                               "cannot be stored: " + reason);
                 }) {}

WalkResult Walk::run() {
  for (const FileFailure& missing : roots_.missing)
    tally_.fail(missing.path, missing.kind, missing.reason);
  open_root();
  while (!frames_.empty()) {
    collect({});
    while (assembler_.pending() > kMaxPending && reads_->outstanding() > 0) collect(kPatience);
    step();
  }
  while (reads_->outstanding() > 0) collect(kPatience);
  tally_.show_now(current_);
  return {.root = assembler_.take_root(),
          .statistics = tally_.statistics,
          .failures = std::move(tally_.failures),
          .fingerprints = std::move(tally_.fingerprints),
          .has_new_fingerprints = tally_.has_new_fingerprints};
}

void Walk::collect(std::chrono::milliseconds timeout) {
  if (options_.stop.stop_requested()) throw Error{ErrorCode::interrupted, "the backup was stopped"};
  reads_->collect(timeout);
  tally_.show(current_);
}

void Walk::open_root() {
  const bool all = roots_.root.given;
  Fd fd{::open(roots_.base.c_str(), (all ? O_RDONLY : O_PATH) | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) throw_root_error(errno, roots_.base);
  const struct ::stat attributes = stat_of(fd.get());
  const CaptureContext capture{.sink = context_.sink,
                               .chunker = context_.chunker,
                               .names = names_,
                               .home_device = attributes.st_dev,
                               .file_clock = options_.file_clock,
                               .stop = options_.stop,
                               .bytes_read = tally_.bytes_read};
  reads_.emplace(capture, options_.read_threads, assembler_, tally_,
                 [this](const std::string& path) { return directory_of(path); });
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
  current_ = path_;
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
    tally_.fail(path_, FailureKind::unreadable, "files of this type cannot be stored");
  } else {
    visit_file(name, seen, hash);
  }
}

const Entry* Walk::find_old(Frame& frame, std::string_view name) {
  while (frame.old && (frame.old_entry == nullptr || frame.old_entry->name() < name)) {
    try {
      frame.old_entry = frame.old->next();
      if (frame.old_entry == nullptr) frame.old.reset();
    } catch (const Error& error) {
      // Without the old entries files count as new: more work, nothing lost. A store that is away
      // fails soon enough.
      frame.old_entry = nullptr;
      if (error.message() == frame.old_failure) {
        frame.old.reset();  // it does not get beyond that
        break;
      }
      frame.old_failure = error.message();
      log::warning("the last snapshot's directory '{}' cannot be read: {}",
                   TreeAssembler::path_of(*frame.directory), error.message());
    }
  }
  return frame.old_entry != nullptr && frame.old_entry->name() == name ? frame.old_entry : nullptr;
}

void Walk::visit_file(const char* name, const struct ::stat& seen, std::uint64_t hash) {
  Frame& frame = frames_.back();
  const Entry* old = find_old(frame, name);
  if (old != nullptr && !options_.read_all && agrees(*old, seen)) {
    const std::uint64_t stat = stat_hash(seen);
    if (base_->fingerprints.matches(hash, stat) &&
        !base_->leaving.are_needed_by(*old, base_->trees)) {
      Entry entry = *old;
      set_owner_names(entry, names_);
      tally_.fingerprints.add(hash, stat);
      tally_.count(entry, BackupTally::Change::unchanged);
      assembler_.add(*frame.directory, std::move(entry));
      return;
    }
  }
  const bool was_there = old != nullptr && old->type() == EntryType::ENTRY_FILE;
  reads_->read({.place = &assembler_.take_place(*frame.directory),
                .path = path_,
                .path_hash = hash,
                .change = was_there ? BackupTally::Change::changed : BackupTally::Change::is_new,
                .directory = directories_->current(),
                .seen = seen});
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
    tally_.fail(path_, FailureKind::unreadable,
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
      tally_.count(entry, BackupTally::Change::is_new);
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
  tally_.count(entry, BackupTally::Change::is_new);
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
        throw_root_error(listing.error_number, roots_.base);
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

}  // namespace

WalkResult walk_files(const BackupRoots& roots, const std::optional<WalkBase>& base,
                      const WalkContext& context) {
  return Walk{roots, base, context}.run();
}

}  // namespace vgerfs::repo
