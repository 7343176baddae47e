#include "fs/ingest_links.h"

#include <string>
#include <string_view>
#include <unordered_set>
#include <utility>
#include <vector>

#include "fs/ingest_source.h"
#include "repo/tree_walk.h"

namespace vgerfs::fs {
namespace {

class LinkSearch {
 public:
  explicit LinkSearch(IngestSource& source) : source_(source), tree_(source.context.tree) {}

  void run() {
    {
      const std::lock_guard lock{tree_.mutex};
      update_wanted();
      left_.push_back(source_.root);
    }
    while (!wanted_.empty() && !left_.empty()) {
      const InodePtr directory = std::move(left_.back());
      left_.pop_back();
      search(directory);
    }
  }

 private:
  void update_wanted() {
    wanted_.clear();
    for (const auto& [group, inode] : source_.changed_groups) {
      if (inode->links.size() < inode->link_count) wanted_.insert(group);
    }
  }

  void search(const InodePtr& directory) {
    std::vector<std::string> known;
    std::optional<ChunkId> base;
    {
      const std::lock_guard lock{tree_.mutex};
      base = directory->directory->base;
      for (const auto& [name, child] : directory->directory->children) {
        known.push_back(name);
        if (child.inode && child.inode->is_directory()) left_.push_back(child.inode);
      }
    }
    repo::DirectoryReader reader{*source_.trees, base};
    auto next_known = known.begin();
    while (const repo::Entry* entry = reader.next()) {
      if (wanted_.empty()) return;
      while (next_known != known.end() && *next_known < entry->name()) ++next_known;
      if (next_known != known.end() && *next_known == entry->name()) continue;
      if (wanted_.contains(entry->link_group())) {
        resolve(directory, entry->name());
      } else if (entry->type() == repo::EntryType::ENTRY_DIRECTORY) {
        search_below(directory, *entry);
      }
    }
  }

  /// A directory that nobody looked up: nothing lies over it.
  void search_below(const InodePtr& parent, const repo::Entry& directory) {
    std::vector<std::string> found;
    repo::for_each_entry(*source_.trees, directory, directory.name(),
                         [&](const std::string& path, const repo::Entry& entry) {
                           if (wanted_.contains(entry.link_group())) found.push_back(path);
                           return repo::WalkStep::go_on;
                         });
    for (const std::string& path : found) resolve(parent, path);
  }

  void resolve(InodePtr at, std::string_view path) {
    std::unique_lock lock{tree_.mutex};
    while (at && !path.empty()) {
      const std::size_t slash = path.find('/');
      at = tree_.resolve(lock, at, path.substr(0, slash)).inode;
      path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    }
    update_wanted();
  }

  IngestSource& source_;
  IngestTree& tree_;
  std::unordered_set<std::uint64_t> wanted_;
  std::vector<InodePtr> left_;
};

}  // namespace

void find_changed_links(IngestSource& source) { LinkSearch{source}.run(); }

}  // namespace vgerfs::fs
