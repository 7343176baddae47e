// Copies snapshots into another repository, under its keys.
#pragma once

#include <stop_token>
#include <vector>

#include "repo/operation_progress.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// A snapshot by its repository.
struct SnapshotOrigin {
  RepositoryId repository;
  SnapshotId snapshot;
  friend auto operator<=>(const SnapshotOrigin&, const SnapshotOrigin&) = default;
};
/// Where a snapshot was made: in `repository`, in which it is, or where a full author says that it
/// was copied from (docs/FORMAT.md section 11).
SnapshotOrigin origin_of(const Snapshot& snapshot, const RepositoryId& repository);

struct CopyPlan {
  std::vector<ListedSnapshot> wanted;   // to be copied, in the order of the list
  std::vector<ListedSnapshot> skipped;  // that the other repository has: as itself, or as a copy
};
/// Reads the lists of both as of their last refresh.
CopyPlan plan_copy(Repository& from, Repository& to, const std::vector<ListedSnapshot>& chosen);

struct CopyOptions {
  int compression_level = 1;
  unsigned threads = 0;  // sealing threads; 0: one per CPU
  std::stop_token stop;
};

/// Makes a snapshot with the same tree, host, source, time, paths and tags. Chunks keep their cuts
/// and get the other repository's names: what it has is not stored again, and what its last copy of
/// the line shares with this snapshot is not read either. Every chunk that is read is hashed first.
///
/// Safe beside everything else, as a backup is (session.h). Throws corrupt or not_found for what
/// cannot be read, and then nothing is committed; busy, interrupted, and what a session throws.
ListedSnapshot copy_snapshot(Repository& from, Repository& to, const ListedSnapshot& snapshot,
                             const CopyOptions& options, OperationProgress& progress);

}  // namespace vgerfs::repo
