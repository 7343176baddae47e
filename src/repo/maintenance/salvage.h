// Saves what is left of damaged packs: their good chunks are stored again, so that nothing rests on
// the rest.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <vector>

#include "repo/maintenance/exclusive_lease.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// Whether a block is in the store, opens, and holds the chunks that the entry says.
bool is_intact(Repository& repository, const PackId& pack, const BlockEntry& block);

struct Salvage {
  std::vector<PackId> given_up;  ///< damaged indeed: what is good of them is stored again, durably
  std::uint64_t saved_chunks = 0;
  std::uint64_t saved_bytes = 0;
};

/// Reads packs that records name (`named`) or do not, and stores again each good chunk that has no
/// copy which was hashed now, in a pack that is not condemned and not among them. Packs that are
/// whole, missing, or need a newer program are not given up. Deletes nothing. Throws what the store
/// throws, and interrupted.
Salvage salvage(Repository& repository, const ExclusiveLease& lease, const std::set<PackId>& packs,
                bool named, const std::stop_token& stop);

}  // namespace vgerfs::repo
