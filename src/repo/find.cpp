#include "repo/find.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/sha256.h"
#include "repo/attribute_writer.h"
#include "repo/tree_diff.h"
#include "repo/tree_walk.h"

namespace vgerfs::repo {
namespace {

/// Failures in a row to read a directory, before a snapshot is given up.
constexpr int kMaxReadFailures = 1000;

/// Of what makes a version.
Sha256Digest digest_of(Entry entry) {
  entry.clear_user();
  entry.clear_group();
  entry.clear_ctime_s();
  entry.clear_ctime_ns();
  entry.clear_link_group();
  entry.clear_link_count();
  if (entry.type() == EntryType::ENTRY_DIRECTORY) {
    entry.clear_subtree();
    entry.clear_mtime_s();
    entry.clear_mtime_ns();
  }
  return sha256(bytes_of(entry.SerializeAsString()));
}

Entry without_content(Entry entry) {
  entry.clear_extents();
  entry.clear_extents_root();
  entry.clear_subtree();
  entry.clear_xattrs();
  return entry;
}

class Search {
 public:
  Search(ChunkSource& source, const FindPredicate& is_wanted, const FindFailed& failed)
      : source_(source), is_wanted_(is_wanted), failed_(failed) {}

  void add(std::size_t number, const Snapshot& snapshot) {
    number_ = number;
    if (!before_ || !apply_difference(snapshot)) walk(snapshot);
    for (const auto& [path, version] : there_)
      files_[path][version].found.snapshots.push_back(number);
  }

  std::vector<FoundFile> take() {
    std::vector<FoundFile> files;
    for (auto& [path, versions] : files_) {
      FoundFile& file = files.emplace_back();
      file.path = path;
      for (Version& version : versions) file.versions.push_back(std::move(version.found));
    }
    return files;
  }

 private:
  struct Version {
    Sha256Digest digest{};
    FoundVersion found;
  };

  /// False if it could not be read to its end: then nothing was applied.
  bool apply_difference(const Snapshot& snapshot) {
    struct Change {
      std::string path;
      std::optional<Entry> entry;
    };
    std::vector<Change> changes;
    try {
      for_each_difference(source_, *before_, snapshot.root, [&](const TreeDifference& each) {
        const bool is_there = each.after != nullptr && is_wanted_(each.path, *each.after);
        if (is_there) {
          changes.push_back({each.path, *each.after});
        } else if (there_.contains(each.path)) {
          changes.push_back({each.path, std::nullopt});
        }
      });
    } catch (const Error& error) {
      if (!is_damage(error)) throw;
      return false;  // the walk says what it is
    }
    for (const Change& change : changes) {
      if (change.entry) {
        see(change.path, *change.entry);
      } else {
        there_.erase(change.path);
      }
    }
    before_ = snapshot.root;
    return true;
  }

  void walk(const Snapshot& snapshot) {
    there_.clear();
    before_ = snapshot.root;
    TreeWalk walk{source_, snapshot.root, {}};
    for (int failures = 0;;) {
      try {
        const TreeWalk::Event event = walk.next();
        failures = 0;
        if (event == TreeWalk::Event::end) return;
        if (event != TreeWalk::Event::entry) continue;
        if (is_wanted_(walk.path(), walk.entry())) see(walk.path(), walk.entry());
        if (walk.entry().type() == EntryType::ENTRY_DIRECTORY) walk.enter();
      } catch (const Error& error) {
        if (!is_damage(error)) throw;
        // What differs from it is not known either: the next one is walked, too.
        before_.reset();
        failed_(number_, walk.path(), error);
        if (++failures > kMaxReadFailures) return;
      }
    }
  }

  void see(const std::string& path, const Entry& entry) {
    std::vector<Version>& versions = files_[path];
    const Sha256Digest digest = digest_of(entry);
    auto place = std::find_if(versions.begin(), versions.end(),
                              [&](const Version& each) { return each.digest == digest; });
    if (place == versions.end()) {
      versions.push_back({digest, {without_content(entry), {}}});
      place = versions.end() - 1;
    }
    there_[path] = static_cast<std::size_t>(place - versions.begin());
  }

  ChunkSource& source_;
  const FindPredicate& is_wanted_;
  const FindFailed& failed_;
  std::size_t number_ = 0;
  std::optional<Entry> before_;  // root of the snapshot before, if it was read to its end
  std::map<std::string, std::vector<Version>> files_;
  std::map<std::string, std::size_t> there_;  // in the current snapshot: which version
};

}  // namespace

std::vector<FoundFile> find_versions(ChunkSource& source,
                                     const std::vector<const Snapshot*>& snapshots,
                                     const FindPredicate& is_wanted, const FindFailed& failed) {
  Search search{source, is_wanted, failed};
  for (std::size_t i = 0; i < snapshots.size(); ++i) search.add(i, *snapshots[i]);
  return search.take();
}

}  // namespace vgerfs::repo
