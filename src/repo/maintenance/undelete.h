// Brings removed snapshots back: a promise within the grace time, later an attempt that is checked.
#pragma once

#include <cstdint>
#include <stop_token>

#include "repo/maintenance/grace.h"
#include "repo/repository.h"

namespace vgerfs::repo {

struct UndeleteOptions {
  std::int64_t grace_s = kDefaultGrace_s;
  std::stop_token stop;
};

/// Until when nothing of the snapshot may have been deleted: its first removal and the grace time.
Timestamp promised_until(const RemovedSnapshot& removed, std::int64_t grace_s);

/// Undoes all removals of the snapshot, sees to it that its object is there, and looks whether all
/// that the snapshot needs is there. Once the grace time is over, or if it ends before the undo is
/// there, it does so with the exclusive lease. If not, the removal is put back, and corrupt thrown,
/// naming what is missing. Throws not_found if its object is gone, or if it is not removed;
/// busy; as require_maintainer.
ListedSnapshot undelete(Repository& repository, const SnapshotId& id,
                        const UndeleteOptions& options);

}  // namespace vgerfs::repo
