// Which chunks are needed: everything that the trees of living snapshots refer to.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "repo/maintenance/chunk_id_set.h"
#include "repo/maintenance/prefix_set.h"
#include "repo/repository.h"

namespace vgerfs::repo {

struct MarkProgress {
  std::uint64_t snapshots = 0;
  std::uint64_t total_snapshots = 0;
  std::uint64_t nodes = 0;
};

/// Chunks are told by the first 8 bytes of their ids, which can only take a dead one for a living
/// one. Each tree node is read once, however many snapshots share it: 22 to 43 bytes of memory for
/// each, 8 bytes of disk for each chunk. Use: mark, settle, contains; then mark again for snapshots
/// that came meanwhile. One thread at a time, but `contains`.
class Marks {
 public:
  Marks(Repository& repository, std::stop_token stop,
        std::function<void(const MarkProgress&)> progress);

  /// All snapshots of the repository's list, and those removed after `keep_removed_since_s`
  /// (StoreTimes tells when). Throws corrupt, naming the snapshot, if one cannot be
  /// read, unavailable if the listing omits one: what is needed is not known.
  void mark_repository(std::int64_t keep_removed_since_s);
  /// Those of the list that were not marked yet. False if there were none.
  bool mark_new_snapshots();
  bool contains(const ChunkId& id) const noexcept {
    return needed_.contains(id.prefix()) || late_.contains(id.prefix());
  }
  std::uint64_t nodes() const noexcept { return entered_.size(); }
  /// Distinct chunks that mark_repository found, and which of them one is.
  std::size_t size() const noexcept { return needed_.size(); }
  std::optional<std::size_t> position(const ChunkId& id) const noexcept {
    return needed_.find(id.prefix());
  }

 private:
  /// False if one of the removed ones cannot be read: it is taken out, mark again.
  bool mark_all(const SnapshotList& list, std::vector<std::shared_ptr<const Snapshot>>& removed);
  void mark(const Snapshot& snapshot);
  void need(const ChunkId& id);
  void check_complete(const SnapshotList& list) const;

  Repository& repository_;
  std::stop_token stop_;
  std::function<void(const MarkProgress&)> progress_;
  MarkProgress done_;
  ChunkIdSet entered_;            // metadata
  PrefixSet needed_;              // finished by mark_repository
  std::set<std::uint64_t> late_;  // of snapshots that came later: few
  bool settled_ = false;
  std::set<SnapshotId> marked_;
};

/// Since when records have been in the store: by its clock, where it shows times. Else since this
/// client first saw them, or since their authors say they wrote them, if that is later: this
/// machine's clock may have been wrong. One that is not there any more counts as its author says.
class StoreTimes {
 public:
  /// Lists index/.
  explicit StoreTimes(Repository& repository);
  std::int64_t of_record(const RecordId& id, std::int64_t claimed_s) const;
  bool has_record(const RecordId& id) const { return records_.contains(id); }

 private:
  std::unordered_map<RecordId, std::int64_t> records_;
  std::int64_t claims_until_s_;  // later ones say nothing
};

}  // namespace vgerfs::repo
