// The snapshots that a command line names.
#pragma once

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

struct ChosenSnapshots {
  std::vector<repo::ListedSnapshot> shown;
  std::vector<SnapshotId> hidden;  ///< that cannot be read, or whose key was revoked

  std::vector<SnapshotId> ids() const;
};
/// The same, and those that are not shown: they are named by the first digits of their ids.
ChosenSnapshots choose_any_snapshots(const repo::SnapshotList& list,
                                     const std::vector<std::string>& names,
                                     std::string_view this_host);

}  // namespace vgerfs::cli
