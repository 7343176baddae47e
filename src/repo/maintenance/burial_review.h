// Which condemned packs a compaction may bury, and which come into use again.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "repo/leases.h"
#include "repo/maintenance/mark.h"

namespace vgerfs::repo {

/// The sizes of the packs in the store.
using StoredPacks = std::unordered_map<PackId, std::uint64_t>;

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

/// Of condemned packs those that may be buried now: condemned for longer than the grace time, known
/// to be by every live session, not `needed`. Looks at the state as it is; `marks` are of now.
struct BurialReview {
  std::vector<PlannedPack> due;
  std::vector<PlannedRescue> needed;
  std::uint64_t waiting_packs = 0;  ///< not due, or needed and damaged
  std::uint64_t waiting_bytes = 0;
  std::vector<std::string> notes;
};
/// `due_s`: what was condemned after it is too young.
BurialReview review_condemned(Repository& repository, const std::vector<ListedLease>& sessions,
                              const Marks& marks, std::int64_t due_s);

/// The place of a chunk that counts when several packs hold it: the trusted one, in a pack that is
/// in the store and not condemned, with the smallest pack id. nullopt: no copy is better than the
/// others.
std::optional<ChunkPlace> keeper_of(IndexCache& index, const StoredPacks& stored,
                                    const ChunkId& id);
StoredPacks list_packs(Repository& repository);

}  // namespace vgerfs::repo
