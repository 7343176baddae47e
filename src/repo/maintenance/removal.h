// Removing snapshots: a record says so, nothing is deleted. Safe beside everything.
#pragma once

#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

/// Throws denied if one of them is held, as far as was loaded.
void require_not_held(Repository& repository, const std::vector<SnapshotId>& snapshots);

/// Publishes the removals and refreshes. One that somebody held meanwhile is brought back: a hold
/// that was granted counts. Returns those that are removed. Throws as require_maintainer.
/// `through`: the repository's store, for changes under a lease.
std::vector<SnapshotId> remove_snapshots(Repository& repository, backends::Backend& through,
                                         const std::vector<SnapshotId>& snapshots);
std::vector<SnapshotId> remove_snapshots(Repository& repository,
                                         const std::vector<SnapshotId>& snapshots);

}  // namespace vgerfs::repo
