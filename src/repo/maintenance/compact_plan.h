// What a compaction would do, as a value: to be printed, tested, and executed (compact.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "repo/maintenance/burial_review.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/grace.h"
#include "repo/maintenance/mark.h"

namespace vgerfs::repo {

/// Packs below this share of the usual size are small; so many of a kind are merged.
inline constexpr std::uint64_t kSmallPackShare = 4;
inline constexpr std::size_t kSmallPacks = 8;

struct CompactOptions {
  double threshold = 0.1;              ///< packs with a larger dead share are repacked
  std::uint64_t max_repack_bytes = 0;  ///< of packs that are rewritten; 0: any number
  std::int64_t grace_s = kDefaultGrace_s;
  bool now = false;     ///< without the grace time; needs a store without live sessions
  bool reseal = false;  ///< nothing is moved by the store itself (store_moves.h)
  std::size_t pack_bytes = std::size_t{32} << 20;
  unsigned threads = 0;  ///< 0: one per CPU
};

struct CompactPlan {
  std::vector<PlannedPack> repack;    ///< what lives moves to new packs, then the pack is condemned
  std::vector<PlannedPack> condemn;   ///< dead
  std::vector<PlannedPack> orphans;   ///< no record names them: condemned, too
  std::vector<PlannedRescue> rescue;  ///< condemned, but in use again
  std::vector<PlannedPack> bury;      ///< condemned for the grace time and dead
  std::vector<PackId> leftovers;      ///< buried, but still in the store
  std::vector<SnapshotId> snapshots;  ///< removed for longer than the grace time
  std::vector<RecordId> records;      ///< superseded
  std::vector<RecordId> merge;        ///< small ones, to be superseded by one
  StoredPacks stored;                 ///< as listed
  std::uint64_t waiting_packs = 0;    ///< condemned, not yet due
  std::uint64_t waiting_bytes = 0;
  std::uint64_t young_packs = 0;  ///< wasteful or dead, but too young or of a live session
  std::uint64_t packs = 0;
  std::uint64_t stored_bytes = 0;  ///< of all packs in the index
  std::uint64_t live_bytes = 0;
  std::vector<std::string> notes;  ///< why something waits

  bool empty() const noexcept;
};

/// Marks and plans. Throws what Marks throws; nothing is written but the lease.
CompactPlan plan_compaction(Repository& repository, const ExclusiveLease& lease, Marks& marks,
                            const CompactOptions& options);

/// What happened after this is too young to be acted upon.
std::int64_t due_time(const ExclusiveLease& lease, const CompactOptions& options);

}  // namespace vgerfs::repo
