// Mends what a check finds, as far as it can be: index records are made anew, nothing new rests on
// packs that are lost or damaged, what is good of them is stored again. Then the same data in a
// later backup is stored anew, and heals the snapshots that lack it. Snapshots are never changed,
// and nothing makes a snapshot's own object anew; nothing is deleted.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <stop_token>
#include <vector>

#include "repo/maintenance/check.h"
#include "repo/maintenance/rebuild_index.h"

namespace vgerfs::repo {

struct RepairOptions {
  bool read_data = false;  ///< look for damage in all packs, not only where some is known
  unsigned threads = 0;    ///< 0: one per CPU
  std::stop_token stop = {};
};

/// What a repair looks at and would do.
struct RepairPlan {
  RebuildPlan rebuild;
  std::vector<SnapshotId> lost_snapshots;        ///< somebody has seen them: to be removed
  std::vector<SnapshotId> unreadable_snapshots;  ///< damaged objects: left alone
  CheckResult check;                             ///< what is wrong, and which files it hurts
  std::set<PackId> missing;                      ///< to be condemned
  std::set<PackId> damaged;                      ///< likewise, once what is good is stored again
  std::set<PackId> condemned;                    ///< of both, those that are already

  /// There is nothing to do; what is wrong all the same is for the user.
  bool empty() const noexcept;
};

struct RepairResult {
  RepairPlan plan;
  RebuildResult rebuild;
  bool executed = false;
  std::uint64_t condemned_packs = 0;
  std::uint64_t saved_chunks = 0;
  std::uint64_t saved_bytes = 0;

  /// Files of snapshots that can be opened cannot be read: the same data in a backup heals them.
  bool lost_files() const noexcept;
  /// Something that a snapshot held cannot be read, or a snapshot itself.
  bool lost_data() const noexcept;
};

/// Takes the exclusive lease, and makes the index anew before it looks for what is wrong with
/// the rest; so a dry run may name as lost what that would bring back. Throws denied, busy,
/// unsupported as ExclusiveLease; interrupted; what the store throws.
RepairResult repair(Repository& repository, const RepairOptions& options, bool dry_run,
                    const std::function<void(const CheckProgress&)>& progress);

}  // namespace vgerfs::repo
