// What a compaction would do, as a value: to be printed, tested, and executed (compact.h).
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/grace.h"
#include "repo/maintenance/mark.h"

namespace vgerfs::repo {

/// The sizes of the packs in the store.
using StoredPacks = std::unordered_map<PackId, std::uint64_t>;

struct CompactOptions {
  double threshold = 0.1;              ///< packs with a larger dead share are repacked
  std::uint64_t max_repack_bytes = 0;  ///< of packs that are rewritten; 0: any number
  std::int64_t grace_s = kDefaultGrace_s;
  bool now = false;  ///< without the grace time; needs a store without live sessions
  std::size_t pack_bytes = std::size_t{32} << 20;
  unsigned threads = 0;  ///< 0: one per CPU
};

struct PlannedPack {
  PackId id;
  std::uint64_t stored_bytes = 0;
  std::uint64_t live_bytes = 0;  ///< estimated from the blocks' live shares
  bool has_copies = false;       ///< some of it counts as dead because another pack holds it, too
};

struct PlannedRescue {
  PackId id;
  std::vector<RecordId> origins;  ///< condemnations to undo
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

/// Of condemned packs those that may be buried now: condemned for longer than the grace time, known
/// to be by every live session, not `needed`. Looks at the state as it is; `marks` are of now.
struct BurialReview {
  std::vector<PlannedPack> due;
  std::vector<PlannedRescue> needed;
  std::uint64_t waiting_packs = 0;  ///< not due, or needed and damaged
  std::uint64_t waiting_bytes = 0;
  std::vector<std::string> notes;
};
BurialReview review_condemned(Repository& repository, const ExclusiveLease& lease,
                              const std::vector<ListedLease>& sessions, const Marks& marks,
                              const CompactOptions& options);

/// The place of a chunk that counts when several packs hold it: the trusted one, in a pack that is
/// in the store and not condemned, with the smallest pack id. nullopt: no copy is better than the
/// others.
std::optional<ChunkPlace> keeper_of(IndexCache& index, const StoredPacks& stored,
                                    const ChunkId& id);
StoredPacks list_packs(Repository& repository);

}  // namespace vgerfs::repo
