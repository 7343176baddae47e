// Removes the snapshots that no rule keeps, in each line of (host, source).
#pragma once

#include <set>
#include <string>
#include <vector>

#include "base/clock.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/retention.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {

struct PruneOptions {
  RetentionRules rules;
  SnapshotFilter filter;     ///< others are neither counted nor removed
  bool allow_empty = false;  ///< a line may lose its last snapshot
};

/// Whether rules apply to a snapshot. Those to which they do not are never removed.
enum class Standing : std::uint8_t {
  counted,
  no_line,  ///< its author may not write for its host
  future,   ///< it says that it was made later than now, and no store says otherwise
};

struct PruneVerdict {
  ListedSnapshot snapshot;
  Standing standing = Standing::counted;
  std::set<KeepRule> kept_by;

  bool removed() const noexcept { return standing == Standing::counted && kept_by.empty(); }
};

/// What would be done. A plain value.
struct PrunePlan {
  std::vector<PruneVerdict> snapshots;         ///< of the filter, in the list's order
  std::vector<UnreadableSnapshot> unreadable;  ///< never counted, never removed
  std::vector<SnapshotId> revoked;             ///< likewise
  Timestamp now;
  bool allow_empty = false;
};

/// `now`: no earlier than any time at which the store received something.
PrunePlan plan_prune(const SnapshotList& list, const PruneOptions& options, Timestamp now);
/// Of what was loaded last: to execute it, load after the lease is held. Throws usage without a
/// rule; corrupt if an index record cannot be read.
PrunePlan plan_prune(Repository& repository, const PruneOptions& options);

/// Throws usage, naming the line, if a line would lose its last counted snapshot of `list` without
/// allow_empty.
void require_lines_stay(const PrunePlan& plan, const SnapshotList& list);

/// Looks again, then removes what is still there and not held. Returns those. Throws as
/// require_lines_stay, and busy if the lease has lapsed.
std::vector<SnapshotId> execute(const PrunePlan& plan, Repository& repository,
                                const ExclusiveLease& lease);

}  // namespace vgerfs::repo
