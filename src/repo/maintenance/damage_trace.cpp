#include "repo/maintenance/damage_trace.h"

#include <algorithm>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "repo/maintenance/stops_work.h"
#include "repo/maintenance/tree_check.h"
#include "repo/tree_walk.h"

namespace vgerfs::repo {
namespace {

/// Remembers which chunk a reader failed at.
class WatchedSource final : public ChunkSource {
 public:
  explicit WatchedSource(CheckedSource& source) : source_(source) {}
  Bytes get(ChunkKind kind, const ChunkId& id) override {
    failed_ = {kind, id};
    Bytes bytes = source_.get(kind, id);
    failed_.reset();
    return bytes;
  }
  /// The chunk whose reading threw, once.
  std::optional<std::pair<ChunkKind, ChunkId>> take_failed() {
    return std::exchange(failed_, std::nullopt);
  }

 private:
  CheckedSource& source_;
  std::optional<std::pair<ChunkKind, ChunkId>> failed_;
};

class Trace {
 public:
  Trace(CheckedSource& source, ChunkTable& table, IndexCache& index, const BadPlaces& bad,
        FindingList& findings, const std::stop_token& stop)
      : table_(table),
        index_(index),
        bad_(bad),
        findings_(findings),
        stop_(stop),
        source_(source),
        entries_(source, source_) {}

  void walk(const Snapshot& snapshot) {
    snapshot_ = snapshot.id;
    open_.clear();
    look_at(snapshot.root, "");
    const auto root = subtree_of(snapshot.root);
    if (!root || table_.has(*root, ChunkTable::Flag::clean)) return;
    open_.push_back({*root, false});
    TreeWalk walk{source_, snapshot.root, ""};
    for (;;) {
      if (stop_.stop_requested()) throw Error{ErrorCode::interrupted, "the check was interrupted"};
      TreeWalk::Event event{};
      try {
        event = walk.next();
        if (event == TreeWalk::Event::entry) step(walk);
      } catch (const Error& error) {
        if (stops_work(error.code())) throw;
        taint();
        for (Finding* finding : blamed_for(error)) {
          FindingList::affect(*finding, snapshot_, walk.path());
        }
        continue;
      }
      if (event == TreeWalk::Event::entry) continue;
      leave();
      if (event == TreeWalk::Event::end) return;
    }
  }

 private:
  struct OpenDirectory {
    ChunkId root;
    bool tainted = false;
  };

  void step(TreeWalk& walk) {
    const Entry& entry = walk.entry();
    look_at(entry, walk.path());
    const auto subtree = subtree_of(entry);
    if (!subtree || table_.has(*subtree, ChunkTable::Flag::clean)) return;
    walk.enter();  // throws if it is too deep
    open_.push_back({*subtree, false});
  }

  void leave() {
    const OpenDirectory done = open_.back();
    open_.pop_back();
    if (done.tainted) {
      taint();
    } else {
      table_.set(done.root, ChunkTable::Flag::clean);
    }
  }

  void taint() {
    if (!open_.empty()) open_.back().tainted = true;
  }

  /// The entry by itself, without what is in a directory.
  void look_at(const Entry& entry, const std::string& path) {
    std::set<Finding*> blamed;
    const auto add = [&](ChunkKind kind, const ChunkId& id, const std::string& what) {
      for (Finding* finding : culprits(kind, id, what)) blamed.insert(finding);
    };
    try {
      TreeCounts counts;
      entries_.is_good(entry, counts, add);
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      for (Finding* finding : blamed_for(error)) blamed.insert(finding);
    }
    for (Finding* finding : blamed) FindingList::affect(*finding, snapshot_, path);
    if (!blamed.empty()) taint();
  }

  /// For an error of reading a tree.
  std::vector<Finding*> blamed_for(const Error& error) {
    const auto chunk = source_.take_failed();
    if (!chunk) return {&of_snapshot(error.what())};
    return culprits(chunk->first, chunk->second, error.what());
  }

  Finding& of_snapshot(const std::string& what) {
    return findings_.add(FindingKind::snapshot_damaged, Severity::error,
                         format::snapshot_name(snapshot_).path(), what);
  }

  /// The packs that should have the chunk, where they were found to be bad; else the snapshot.
  std::vector<Finding*> culprits(ChunkKind kind, const ChunkId& id, const std::string& what) {
    std::vector<Finding*> found;
    bool has_place = false;
    for (const ChunkPlace& place : index_.find(id)) {
      if (place.block->chunk_kind != kind) continue;
      has_place = true;
      if (!bad_.contains(place)) continue;
      const std::string object = format::pack_name(place.pack).path();
      for (const FindingKind blamed :
           {FindingKind::pack_missing, FindingKind::pack_damaged, FindingKind::entry_false}) {
        Finding* const finding = findings_.find(blamed, object);
        if (finding == nullptr) continue;
        finding->severity = Severity::error;
        found.push_back(finding);
      }
    }
    if (!found.empty()) return found;
    return {&of_snapshot(
        has_place ? what : fmt::format("{}: no index record names chunk {}", what, id.hex()))};
  }

  ChunkTable& table_;
  IndexCache& index_;
  const BadPlaces& bad_;
  FindingList& findings_;
  const std::stop_token& stop_;
  WatchedSource source_;
  EntryCheck entries_;
  SnapshotId snapshot_;
  std::vector<OpenDirectory> open_;
};

}  // namespace

void trace_damage(CheckedSource& source, ChunkTable& table, IndexCache& index, const BadPlaces& bad,
                  const std::vector<ListedSnapshot>& snapshots, FindingList& findings,
                  const std::stop_token& stop, const std::function<void()>& snapshot_done) {
  Trace trace{source, table, index, bad, findings, stop};
  for (const ListedSnapshot& listed : snapshots) {
    trace.walk(*listed.snapshot);
    snapshot_done();
  }
}

}  // namespace vgerfs::repo
