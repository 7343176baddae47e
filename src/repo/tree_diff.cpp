#include "repo/tree_diff.h"

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "base/error.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

template <class Message>
bool same_list(const Message& a, const Message& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.SerializeAsString() == y.SerializeAsString();
  });
}

/// Two directories of one path, side by side.
struct Frame {
  Frame(ChunkSource& source, const Entry& before, const Entry& after, std::string at)
      : old_entries(source, subtree_of(before)),
        new_entries(source, subtree_of(after)),
        path(std::move(at)),
        old_entry(old_entries.next()),
        new_entry(new_entries.next()) {}

  DirectoryReader old_entries;
  DirectoryReader new_entries;
  std::string path;
  const Entry* old_entry;
  const Entry* new_entry;
};

class TreeDiff {
 public:
  TreeDiff(ChunkSource& source, const std::function<void(const TreeDifference&)>& visit)
      : source_(source), visit_(visit) {}

  void run(const Entry& before, const Entry& after) {
    enter(before, after, "");
    while (!frames_.empty()) {
      Frame& frame = *frames_.back();
      const Entry* const old_entry = frame.old_entry;
      const Entry* const new_entry = frame.new_entry;
      if (old_entry == nullptr && new_entry == nullptr) {
        frames_.pop_back();
      } else if (new_entry == nullptr ||
                 (old_entry != nullptr && old_entry->name() < new_entry->name())) {
        only_in_one(*old_entry, path_of(frame, *old_entry), true);
        frame.old_entry = frame.old_entries.next();
      } else if (old_entry == nullptr || new_entry->name() < old_entry->name()) {
        only_in_one(*new_entry, path_of(frame, *new_entry), false);
        frame.new_entry = frame.new_entries.next();
      } else {
        both(frame);
      }
    }
  }

 private:
  static std::string path_of(const Frame& frame, const Entry& entry) {
    return frame.path.empty() ? entry.name() : frame.path + '/' + entry.name();
  }

  void enter(const Entry& before, const Entry& after, std::string path) {
    if (before.subtree() == after.subtree()) return;
    if (frames_.size() >= kMaxDirectoryDepth)
      throw Error{ErrorCode::corrupt, "the directories are too deep"};
    frames_.push_back(std::make_unique<Frame>(source_, before, after, std::move(path)));
  }

  void both(Frame& frame) {
    // Copies: the readers go on before what is below is entered.
    const Entry before = *frame.old_entry;
    const Entry after = *frame.new_entry;
    const std::string path = path_of(frame, before);
    frame.old_entry = frame.old_entries.next();
    frame.new_entry = frame.new_entries.next();
    const EntryDifference difference = compare_entries(before, after);
    const bool was_directory = before.type() == EntryType::ENTRY_DIRECTORY;
    const bool is_directory = after.type() == EntryType::ENTRY_DIRECTORY;
    if (difference.type && (was_directory || is_directory)) {
      only_in_one(before, path, true);
      only_in_one(after, path, false);
      return;
    }
    if (difference.any()) visit_({path, &before, &after, difference});
    if (is_directory) enter(before, after, path);
  }

  void only_in_one(const Entry& entry, const std::string& path, bool removed) {
    const auto tell = [&](const std::string& at, const Entry& each) {
      visit_({at, removed ? &each : nullptr, removed ? nullptr : &each, {}});
    };
    tell(path, entry);
    if (entry.type() != EntryType::ENTRY_DIRECTORY) return;
    for_each_entry(source_, entry, path, [&](const std::string& at, const Entry& each) {
      tell(at, each);
      return WalkStep::go_on;
    });
  }

  ChunkSource& source_;
  const std::function<void(const TreeDifference&)>& visit_;
  std::vector<std::unique_ptr<Frame>> frames_;
};

}  // namespace

EntryDifference compare_entries(const Entry& before, const Entry& after) {
  EntryDifference difference;
  difference.type = before.type() != after.type();
  difference.content = before.size() != after.size() ||
                       before.extents_root() != after.extents_root() ||
                       !same_list(before.extents(), after.extents()) ||
                       before.symlink_target() != after.symlink_target() ||
                       before.device_major() != after.device_major() ||
                       before.device_minor() != after.device_minor();
  difference.mode = before.mode() != after.mode();
  difference.owner = before.uid() != after.uid() || before.gid() != after.gid();
  difference.mtime = after.type() != EntryType::ENTRY_DIRECTORY &&
                     (before.mtime_s() != after.mtime_s() || before.mtime_ns() != after.mtime_ns());
  difference.xattrs = !same_list(before.xattrs(), after.xattrs());
  return difference;
}

void for_each_difference(ChunkSource& source, const Entry& before, const Entry& after,
                         const std::function<void(const TreeDifference&)>& visit) {
  TreeDiff{source, visit}.run(before, after);
}

}  // namespace vgerfs::repo
