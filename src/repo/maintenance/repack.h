// Moves what lives of wasteful packs into new ones: whole blocks by the store itself where it can
// (store_moves.h), else decrypted, hashed, and sealed again by this author, which so vouches for
// it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "repo/maintenance/compact_plan.h"

namespace vgerfs::repo {

struct RepackResult {
  std::vector<PackId>
      moved;  ///< nothing rests on them any more: all copies are durable and indexed
  std::vector<std::pair<PackId, std::string>> damaged;  ///< left alone, and why
  std::uint64_t read_bytes = 0;                         ///< of packs
  std::uint64_t written_bytes = 0;                      ///< of packs, by this client
  std::uint64_t store_moved_bytes = 0;                  ///< of packs that the store made
  bool stopped = false;                                 ///< before all were moved
};

/// `done` packs of `plan.repack`, and their bytes.
using RepackProgress = std::function<void(std::uint64_t done, std::uint64_t bytes)>;

/// A pack with a chunk that cannot be read is left alone. A stop ends it soon, with what was moved
/// until then durable. Throws what the store throws.
RepackResult repack(Repository& repository, const ExclusiveLease& lease, const Marks& marks,
                    const CompactPlan& plan, const CompactOptions& options,
                    const RepackProgress& progress, const std::stop_token& stop);

}  // namespace vgerfs::repo
