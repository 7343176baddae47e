#include "repo/maintenance/sweep.h"

#include <algorithm>
#include <set>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "repo/limits.h"
#include "repo/maintenance/first_seen.h"
#include "repo/maintenance/merge_records.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

/// So many facts fit into one record for certain.
constexpr std::size_t kFactsPerRecord = 50'000;

template <class Item, class Add>
void publish(Repository& repository, const ExclusiveLease& lease, const std::vector<Item>& items,
             Add add) {
  for (std::size_t at = 0; at < items.size(); at += kFactsPerRecord) {
    lease.require_held();
    IndexRecord record;
    record.session = lease.id();
    const std::size_t end = std::min(items.size(), at + kFactsPerRecord);
    for (std::size_t i = at; i < end; ++i) add(record.facts, items[i]);
    publish_record(repository, std::move(record), lease.backend());
  }
}

std::vector<ListedLease> live_sessions(Repository& repository, const ExclusiveLease& lease) {
  std::vector<ListedLease> live = list_dated_leases(repository);
  std::erase_if(live, [&](const ListedLease& listed) {
    return (listed.lease && listed.lease->session == lease.id()) ||
           !is_live(listed, lease.store_now());
  });
  return live;
}

}  // namespace

void condemn(Repository& repository, const ExclusiveLease& lease,
             const std::vector<PackId>& packs) {
  const std::int64_t now_s = repository.options().clock->now().s;
  publish(repository, lease, packs, [&](Facts& facts, const PackId& pack) {
    facts.condemnations.push_back({pack, now_s});
  });
}

void remove_lost(Repository& repository, const ExclusiveLease& lease,
                 const std::vector<SnapshotId>& snapshots) {
  const std::int64_t now_s = repository.options().clock->now().s;
  publish(repository, lease, snapshots, [&](Facts& facts, const SnapshotId& id) {
    facts.removals.push_back({id, now_s});
  });
}

void rescue(Repository& repository, const ExclusiveLease& lease,
            const std::vector<PlannedRescue>& packs) {
  publish(repository, lease, packs, [](Facts& facts, const PlannedRescue& pack) {
    for (const RecordId& origin : pack.origins) {
      facts.undoes.push_back({origin, {ObjectId{pack.id.bytes()}}});
    }
  });
}

std::vector<PackId> still_orphans(Repository& repository, const std::vector<PlannedPack>& packs) {
  std::vector<PackId> orphans;
  if (packs.empty()) return orphans;
  repository.refresh();
  for (const PlannedPack& pack : packs) {
    if (repository.index().find_pack(pack.id).empty()) orphans.push_back(pack.id);
  }
  return orphans;
}

Deleted bury(Repository& repository, const ExclusiveLease& lease, Marks& marks,
             const CompactOptions& options) {
  // Leases first: a session publishes its snapshot before it gives its lease up, so one that is not
  // listed any more has left a snapshot that the look afterwards sees.
  const std::vector<ListedLease> sessions = live_sessions(repository, lease);
  // Until nothing new comes: what a snapshot needs that was published since is not deleted.
  do {
    repository.refresh();
  } while (marks.mark_new_snapshots());
  const BurialReview review =
      review_condemned(repository, sessions, marks, due_time(lease, options));
  rescue(repository, lease, review.needed);
  std::vector<PackId> dead;
  for (const PlannedPack& pack : review.due) dead.push_back(pack.id);
  publish(repository, lease, dead,
          [](Facts& facts, const PackId& pack) { facts.buried.push_back(pack); });
  Deleted deleted = delete_buried(repository, lease, dead);
  for (const PlannedPack& pack : review.due) deleted.bytes += pack.stored_bytes;
  return deleted;
}

Deleted delete_buried(Repository& repository, const ExclusiveLease& lease,
                      const std::vector<PackId>& packs) {
  Deleted deleted;
  for (const PackId& pack : packs) {
    lease.require_held();
    VGERFS_CHECK(repository.index().is_buried(pack));
    lease.backend().remove(format::pack_name(pack));
    ++deleted.objects;
  }
  return deleted;
}

Deleted delete_snapshots(Repository& repository, const ExclusiveLease& lease,
                         const std::vector<SnapshotId>& snapshots) {
  Deleted deleted;
  if (snapshots.empty()) return deleted;
  repository.refresh();
  const std::vector<SnapshotId> removed = repository.index().removed_snapshots();
  for (const SnapshotId& id : snapshots) {
    if (!std::binary_search(removed.begin(), removed.end(), id)) continue;
    lease.require_held();
    lease.backend().remove(format::snapshot_name(id));
    ++deleted.objects;
  }
  return deleted;
}

Deleted delete_records(Repository& repository, const ExclusiveLease& lease,
                       const std::vector<RecordId>& records) {
  Deleted deleted;
  if (records.empty()) return deleted;
  const Successors successors{repository};
  for (const RecordId& id : records) {
    lease.require_held();
    if (!successors.carry_over(id)) {
      log::warning(
          "index record {} is superseded, but not all that it says is carried over; it "
          "stays",
          id.short_hex());
      continue;
    }
    lease.backend().remove(format::record_name(id));
    ++deleted.objects;
  }
  return deleted;
}

}  // namespace vgerfs::repo
