#include "repo/maintenance/mark.h"

#include <algorithm>
#include <limits>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "repo/maintenance/first_seen.h"
#include "repo/maintenance/stops_work.h"
#include "repo/node_walk.h"

namespace vgerfs::repo {

Marks::Marks(Repository& repository, std::stop_token stop,
             std::function<void(const MarkProgress&)> progress)
    : repository_(repository),
      stop_(std::move(stop)),
      progress_(std::move(progress)),
      needed_(repository.cache_directory()) {}

void Marks::check_complete(const SnapshotList& list) const {
  if (!list.unreadable.empty()) {
    const UnreadableSnapshot& first = list.unreadable.front();
    throw Error{ErrorCode::corrupt,
                fmt::format("snapshot {} cannot be read, so what it needs is not known: {}",
                            first.id.hex(), first.reason),
                "put it back from a copy of the repository, or give it up: `vgerfs-admin delete` "
                "with this id; then maintenance goes on"};
  }
  const std::vector<SnapshotId> unlisted = repository_.unlisted_snapshots();
  if (!unlisted.empty()) {
    throw Error{ErrorCode::unavailable,
                fmt::format("the store's listing omits snapshot {}, which is there, so what else "
                            "it omits is not known",
                            unlisted.front().hex()),
                "listings of some stores lag: try again later"};
  }
  const std::vector<RecordId> records = repository_.unreadable_records();
  if (!records.empty()) {
    throw Error{
        ErrorCode::corrupt,
        fmt::format("index record {} cannot be read, so which packs are in use is not known",
                    records.front().hex()),
        "`vgerfs-admin rebuild-index` rebuilds it from the packs; then maintenance goes on"};
  }
}

void Marks::mark_repository(std::int64_t keep_removed_since_s) {
  const auto list = repository_.snapshots();
  check_complete(*list);
  const StoreTimes times{repository_};
  const std::vector<RemovedSnapshot> removed = repository_.removed_snapshots();
  std::vector<std::shared_ptr<const Snapshot>> recent;
  for (const RemovedSnapshot& gone : removed) {
    for (const SnapshotRemoval& removal : gone.removals) {
      // One that was deleted by hand or cannot be opened is what removing it was for.
      if (!gone.snapshot ||
          times.of_record(removal.origin.value(), removal.time_s) <= keep_removed_since_s) {
        continue;
      }
      recent.push_back(gone.snapshot);
      break;
    }
  }
  while (!mark_all(*list, recent)) {
  }
  needed_.finish();
  settled_ = true;
}

bool Marks::mark_all(const SnapshotList& list,
                     std::vector<std::shared_ptr<const Snapshot>>& removed) {
  done_ = {.snapshots = 0, .total_snapshots = list.snapshots.size() + removed.size(), .nodes = 0};
  for (const ListedSnapshot& listed : list.snapshots) mark(*listed.snapshot);
  for (auto at = removed.begin(); at != removed.end(); ++at) {
    try {
      mark(**at);
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt) throw;
      // Whoever removed it gave it up. Nodes that it entered were not followed to the end: all is
      // walked again without it.
      log::warning("a removed snapshot is beyond recovery: {}", error.what());
      removed.erase(at);
      entered_ = {};
      return false;
    }
  }
  return true;
}

bool Marks::mark_new_snapshots() {
  const auto list = repository_.snapshots();
  check_complete(*list);
  bool any = false;
  for (const ListedSnapshot& listed : list->snapshots) {
    if (marked_.contains(listed.snapshot->id)) continue;
    mark(*listed.snapshot);
    any = true;
  }
  return any;
}

void Marks::need(const ChunkId& id) {
  if (!settled_) {
    needed_.add(id.prefix());
  } else if (!needed_.contains(id.prefix())) {
    late_.insert(id.prefix());
  }
}

void Marks::mark(const Snapshot& snapshot) {
  try {
    for_each_chunk(
        repository_.reader(), snapshot.root,
        [&](ChunkKind, const ChunkId& id) {
          throw_if_stopped(stop_);
          if (!entered_.insert(id)) return false;
          need(id);
          return true;
        },
        [&](const ChunkId& id) { need(id); });
  } catch (const Error& error) {
    const ErrorCode code = error.code() == ErrorCode::not_found ? ErrorCode::corrupt : error.code();
    if (code != ErrorCode::corrupt && code != ErrorCode::unsupported) throw;
    throw Error{code,
                fmt::format("the tree of snapshot {} cannot be read, so what it needs is not "
                            "known: {}",
                            snapshot.id.hex(), error.what()),
                "`vgerfs-admin repair`, then a backup of the same files, may bring it back; "
                "`vgerfs-admin delete` with this id gives the snapshot up; then maintenance goes "
                "on"};
  }
  marked_.insert(snapshot.id);
  ++done_.snapshots;
  done_.nodes = entered_.size();
  if (progress_) progress_(done_);
}

StoreTimes::StoreTimes(Repository& repository)
    : claims_until_s_(std::numeric_limits<std::int64_t>::min()) {
  std::vector<ObjectId> there;
  repository.backend().list(format::ObjectType::index, [&](const backends::ObjectInfo& info) {
    there.push_back(info.name.id);
    if (info.stored_at) records_.emplace(RecordId{info.name.id.bytes()}, info.stored_at->s);
  });
  if (repository.backend().capabilities().store_clock) return;
  claims_until_s_ = repository.options().clock->now().s;
  for (const auto& [id, seen_s] : note_first_seen(repository, format::ObjectType::index, there)) {
    records_.emplace(RecordId{id.bytes()}, seen_s);
  }
}

std::int64_t StoreTimes::of_record(const RecordId& id, std::int64_t claimed_s) const {
  const auto found = records_.find(id);
  if (found == records_.end()) return claimed_s;
  return claimed_s <= claims_until_s_ ? std::max(found->second, claimed_s) : found->second;
}

}  // namespace vgerfs::repo
