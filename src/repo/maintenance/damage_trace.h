// Once a check knows that something is damaged: which files of which snapshots it hurts.
#pragma once

#include <functional>
#include <stop_token>

#include "repo/maintenance/checked_source.h"
#include "repo/maintenance/chunk_table.h"
#include "repo/maintenance/findings.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {

/// Walks every snapshot, but only once through directories below which all is well. Adds the paths
/// to the findings of the packs that are to blame, else to one of the snapshot itself
/// (snapshot_damaged). `snapshots_done` is called after each snapshot.
void trace_damage(CheckedSource& source, ChunkTable& table, IndexCache& index, const BadPlaces& bad,
                  const std::vector<ListedSnapshot>& snapshots, FindingList& findings,
                  const std::stop_token& stop, const std::function<void()>& snapshot_done);

}  // namespace vgerfs::repo
