// The snapshots that a command line names.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "repo/snapshot_list.h"

namespace vgerfs::cli {

/// All of them, each once, in the order of their names; or an error before anything is done. Throws
/// as repo::resolve_snapshot, and usage for a path in a snapshot.
std::vector<repo::ListedSnapshot> choose_snapshots(const repo::SnapshotList& list,
                                                   const std::vector<std::string>& names,
                                                   std::string_view this_host);
std::vector<SnapshotId> ids_of(const std::vector<repo::ListedSnapshot>& snapshots);

/// One that is not shown, because it cannot be read or its key was revoked, by the first digits of
/// its id: it has no other name. nullopt if there is none. Throws usage if they are not enough.
std::optional<SnapshotId> find_hidden(const repo::SnapshotList& list, std::string_view name);

}  // namespace vgerfs::cli
