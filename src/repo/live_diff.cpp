#include "repo/live_diff.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "repo/content_compare.h"
#include "repo/file_entry.h"
#include "repo/limits.h"
#include "repo/scan.h"
#include "repo/tree_walk.h"

namespace vgerfs::repo {
namespace {

class LiveDiff {
 public:
  LiveDiff(ChunkReader& reader, const LiveDiffOptions& options,
           const std::function<void(const TreeDifference&)>& visit)
      : reader_(reader), options_(options), visit_(visit) {}

  FileFailures run(const Entry& before);

 private:
  /// One directory: on the disk, and in the tree if `tree` is there.
  struct Frame {
    NameList names;
    std::size_t next = 0;
    std::unique_ptr<DirectoryReader> tree;
    const Entry* entry = nullptr;  // where that stands
    std::string path;
  };
  /// A name on the disk, held open.
  struct Live {
    Entry entry;
    Fd fd;  // O_PATH
    struct ::stat attributes {};
  };

  void step();
  void visit_name(const std::string& name, const std::string& path,
                  const std::optional<Entry>& old);
  std::optional<Live> look(const std::string& name);
  EntryDifference compare(const Entry& before, Live& live);
  bool same_xattrs(const Entry& before, const Live& live);
  void enter(const Live& live, const std::string& name, const std::string& path, const Entry* old);
  static NameList names_in(int directory);
  void removed(const Entry& entry, const std::string& path);
  bool is_excluded(const std::string& path, bool is_directory) const {
    return options_.exclude.verdict(path, is_directory).value_or(false);
  }
  void check_stop() const {
    if (options_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the comparison was stopped"};
  }

  ChunkReader& reader_;
  const LiveDiffOptions& options_;
  const std::function<void(const TreeDifference&)>& visit_;
  OwnerNames names_;
  FileFailures failures_;
  std::optional<DirectoryPath> at_;
  dev_t device_ = 0;
  std::vector<Frame> frames_;
};

FileFailures LiveDiff::run(const Entry& before) {
  Fd fd = open_file(options_.directory, O_RDONLY | O_DIRECTORY);
  const struct ::stat attributes = stat_of(fd.get());
  device_ = attributes.st_dev;
  Frame& frame = frames_.emplace_back();
  frame.names = names_in(fd.get());
  frame.tree = std::make_unique<DirectoryReader>(reader_, subtree_of(before));
  frame.entry = frame.tree->next();
  at_.emplace(std::move(fd), attributes);
  while (!frames_.empty()) {
    check_stop();
    step();
  }
  return std::move(failures_);
}

void LiveDiff::step() {
  Frame& frame = frames_.back();
  const bool on_disk = frame.next < frame.names.size();
  if (!on_disk && frame.entry == nullptr) {
    frames_.pop_back();
    if (!frames_.empty()) at_->leave();
    return;
  }
  const std::string disk_name = on_disk ? frame.names[frame.next] : "";
  const bool in_tree = frame.entry != nullptr && (!on_disk || frame.entry->name() <= disk_name);
  const bool here = on_disk && (!in_tree || frame.entry->name() == disk_name);
  std::optional<Entry> old;
  if (in_tree) {
    old = *frame.entry;
    frame.entry = frame.tree->next();
  }
  if (here) ++frame.next;
  const std::string name = here ? disk_name : old->name();
  const std::string path = frame.path.empty() ? name : frame.path + '/' + name;
  if (here) {
    visit_name(name, path, old);
  } else {
    removed(*old, path);
  }
}

void LiveDiff::visit_name(const std::string& name, const std::string& path,
                          const std::optional<Entry>& old) {
  try {
    std::optional<Live> live = look(name);
    if (!live) {
      if (old) removed(*old, path);
      return;
    }
    const bool is_directory = live->entry.type() == EntryType::ENTRY_DIRECTORY;
    const bool was_directory = old && old->type() == EntryType::ENTRY_DIRECTORY;
    if (is_excluded(path, is_directory)) return;
    const Entry* same_kind = old ? &*old : nullptr;
    if (old && old->type() != live->entry.type() && (is_directory || was_directory)) {
      removed(*old, path);
      same_kind = nullptr;
    }
    if (same_kind == nullptr) {
      visit_({path, nullptr, &live->entry, {}});
    } else {
      const EntryDifference difference = compare(*same_kind, *live);
      if (difference.any()) visit_({path, same_kind, &live->entry, difference});
    }
    if (is_directory) enter(*live, name, path, same_kind);
  } catch (const FileError& error) {
    failures_.add({path, error.kind(), error.message()});
  }
}

std::optional<LiveDiff::Live> LiveDiff::look(const std::string& name) {
  Live live;
  const auto directory = at_->current();
  live.fd = Fd{::openat(directory->get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC)};
  if (!live.fd) {
    if (errno == ENOENT) return std::nullopt;
    throw source_error(errno, "opening");
  }
  live.attributes = stat_of(live.fd.get());
  set_attributes(live.entry, live.attributes, names_);
  live.entry.set_name(name);
  if (S_ISREG(live.attributes.st_mode))
    live.entry.set_size(static_cast<std::uint64_t>(live.attributes.st_size));
  if (S_ISLNK(live.attributes.st_mode)) live.entry.set_symlink_target(read_link(live.fd.get()));
  return live;
}

EntryDifference LiveDiff::compare(const Entry& before, Live& live) {
  Entry after = live.entry;
  *after.mutable_xattrs() = before.xattrs();
  // The disk has no chunks: content is told by size, or read.
  *after.mutable_extents() = before.extents();
  after.set_extents_root(before.extents_root());
  EntryDifference difference = compare_entries(before, after);
  difference.xattrs = !same_xattrs(before, live);
  if (options_.read_content && !difference.content && !difference.type &&
      before.type() == EntryType::ENTRY_FILE) {
    const Fd file{::open(descriptor_path(live.fd.get()).c_str(),
                         O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY)};
    if (!file) throw source_error(errno, "opening");
    difference.content = first_difference(reader_, before, file.get(), [this](std::uint64_t) {
                           check_stop();
                         }).has_value();
  }
  return difference;
}

bool LiveDiff::same_xattrs(const Entry& before, const Live& live) {
  const std::vector<XattrValue> there = read_xattrs(live.fd.get(), Access::path);
  return std::equal(there.begin(), there.end(), before.xattrs().begin(), before.xattrs().end(),
                    [&](const XattrValue& mine, const format::proto::Xattr& stored) {
                      return mine.name == stored.name() &&
                             mine.value == xattr_value(stored, reader_);
                    });
}

void LiveDiff::enter(const Live& live, const std::string& name, const std::string& path,
                     const Entry* old) {
  if (frames_.size() >= kMaxDirectoryDepth)
    throw FileError{FailureKind::unreadable, "directories are nested too deep"};
  Frame frame;
  frame.path = path;
  if (old != nullptr) {
    frame.tree = std::make_unique<DirectoryReader>(reader_, subtree_of(*old));
    frame.entry = frame.tree->next();
  }
  const bool elsewhere = live.attributes.st_dev != device_;
  Fd fd{::openat(live.fd.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
  if (!fd) throw source_error(errno, "opening");
  // What is mounted there is not in the snapshot either.
  if (!elsewhere || !(options_.one_file_system || is_kernel_file_system(fd.get())))
    frame.names = names_in(fd.get());
  at_->enter(name, std::move(fd), live.attributes);
  frames_.push_back(std::move(frame));
}

NameList LiveDiff::names_in(int directory) {
  Listing listing = list_directory(directory);
  // What is missing of it would pass for removed.
  if (listing.error_number != 0) throw source_error(listing.error_number, "reading the directory");
  return std::move(listing.names);
}

void LiveDiff::removed(const Entry& entry, const std::string& path) {
  const bool is_directory = entry.type() == EntryType::ENTRY_DIRECTORY;
  if (is_excluded(path, is_directory)) return;
  visit_({path, &entry, nullptr, {}});
  if (!is_directory) return;
  for_each_entry(reader_, entry, path, [&](const std::string& at, const Entry& each) {
    check_stop();
    if (is_excluded(at, each.type() == EntryType::ENTRY_DIRECTORY)) return WalkStep::skip;
    visit_({at, &each, nullptr, {}});
    return WalkStep::go_on;
  });
}

}  // namespace

FileFailures compare_with_directory(ChunkReader& reader, const Entry& before,
                                    const LiveDiffOptions& options,
                                    const std::function<void(const TreeDifference&)>& visit) {
  return LiveDiff{reader, options, visit}.run(before);
}

}  // namespace vgerfs::repo
