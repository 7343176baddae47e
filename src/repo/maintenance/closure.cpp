#include "repo/maintenance/closure.h"

#include <algorithm>
#include <optional>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "repo/extents.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

class ClosureWalk {
 public:
  ClosureWalk(Repository& repository, const std::stop_token& stop)
      : repository_(repository), stop_(stop) {}

  ClosureReport run(const Entry& root) {
    look_at(root, "");
    while (!directories_.empty()) {
      const auto [node, path] = std::move(directories_.back());
      directories_.pop_back();
      read_directory(node, path);
    }
    return std::move(report_);
  }

 private:
  void missing(const std::string& path, std::string what) {
    ++report_.missing_count;
    if (report_.missing.size() < kMaxMissingPieces) report_.missing.push_back({path, what});
  }

  /// False if it failed: that says something of the piece, unless it says something of the store.
  template <class Work>
  bool examine(const std::string& path, Work work) {
    if (stop_.stop_requested()) throw Error{ErrorCode::interrupted, "interrupted"};
    try {
      work();
      return true;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) throw;
      missing(path, error.what());
      return false;
    }
  }

  void read_directory(const ChunkId& node, const std::string& path) {
    DirectoryReader reader{repository_.reader(), node};
    for (bool begun = false;; begun = true) {
      const Entry* entry = nullptr;
      // After a failure the reader goes on behind what cannot be read, but not behind its root.
      if (!examine(path, [&] { entry = reader.next(); })) {
        if (!begun) return;
        continue;
      }
      if (entry == nullptr) return;
      look_at(*entry, path.empty() ? entry->name() : path + "/" + entry->name());
    }
  }

  void look_at(const Entry& entry, const std::string& path) {
    for (const auto& xattr : entry.xattrs()) {
      examine(path, [&] { xattr_value(xattr, repository_.reader()); });
    }
    const auto subtree = subtree_of(entry);
    if (subtree && seen_.insert(*subtree).second) directories_.emplace_back(*subtree, path);
    if (entry.type() != EntryType::ENTRY_FILE) return;
    examine(path, [&] {
      for_each_new_extent(repository_.reader(), entry, good_, [&](const Extent& extent) {
        if (!extent.chunk || is_there(*extent.chunk)) return true;
        missing(path, fmt::format("no index record names its chunk {}", extent.chunk->hex()));
        return false;
      });
    });
  }

  bool is_there(const ChunkId& chunk) const {
    const std::vector<ChunkPlace> places = repository_.index().find(chunk);
    return std::any_of(places.begin(), places.end(), [](const ChunkPlace& place) {
      return place.block->chunk_kind == ChunkKind::data;
    });
  }

  Repository& repository_;
  const std::stop_token& stop_;
  ClosureReport report_;
  std::vector<std::pair<ChunkId, std::string>> directories_;  // to be read
  std::unordered_set<ChunkId> seen_;                          // roots of directories
  ExtentNodeShapes good_;
};

}  // namespace

ClosureReport check_closure(Repository& repository, const format::proto::Entry& root,
                            const std::stop_token& stop) {
  repository.reader().clear();  // what it remembers says nothing of the store
  return ClosureWalk{repository, stop}.run(root);
}

}  // namespace vgerfs::repo
