// The only place that deletes: records that say so first, objects then. Each function looks again
// at what it was told to delete.
#pragma once

#include <cstdint>
#include <vector>

#include "repo/maintenance/compact_plan.h"

namespace vgerfs::repo {

/// Publishes condemnations, several to a record.
void condemn(Repository& repository, const ExclusiveLease& lease, const std::vector<PackId>& packs);

/// Says of snapshots that are not in the store that they are removed.
void remove_lost(Repository& repository, const ExclusiveLease& lease,
                 const std::vector<SnapshotId>& snapshots);

/// Takes condemnations back.
void rescue(Repository& repository, const ExclusiveLease& lease,
            const std::vector<PlannedRescue>& packs);

/// Of `packs` those that no record has come to name. Refreshes the repository.
std::vector<PackId> still_orphans(Repository& repository, const std::vector<PlannedPack>& packs);

struct Deleted {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;  ///< of packs
};

/// Marks what came since, reviews what is condemned, publishes that it is dead, and deletes it.
/// What turns out to be needed is rescued.
Deleted bury(Repository& repository, const ExclusiveLease& lease, Marks& marks,
             const CompactOptions& options);
/// Deletes packs that are buried already.
Deleted delete_buried(Repository& repository, const ExclusiveLease& lease,
                      const std::vector<PackId>& packs);
/// Deletes snapshots that are removed still.
Deleted delete_snapshots(Repository& repository, const ExclusiveLease& lease,
                         const std::vector<SnapshotId>& snapshots);
/// Deletes superseded records, each once everything that it says is also said by one in force.
Deleted delete_records(Repository& repository, const ExclusiveLease& lease,
                       const std::vector<RecordId>& records);

}  // namespace vgerfs::repo
