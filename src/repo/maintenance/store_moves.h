// Has the store itself move blocks into new packs, where it offers that
// (backends/store_services.h): their bytes do not travel.
//
// What is moved so is neither decrypted nor hashed, so nobody may come to rest on it more than
// before (docs/LOCKING.md). Only blocks of full authors are, whole, in new packs that stay theirs:
// the pinned tag binds them as it did. All else is left to whoever decrypts and hashes it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <unordered_map>
#include <vector>

#include "repo/maintenance/compact_plan.h"

namespace vgerfs::repo {

class StoreMoves {
 public:
  /// All that lives of the pack lies in new packs.
  bool is_done(const PackId& pack) const;
  /// The block that begins there does.
  bool contains(const PackId& pack, std::uint32_t offset) const;
  std::uint64_t written_bytes() const noexcept { return written_bytes_; }

 private:
  friend class StoreMover;
  struct Share {
    std::size_t wanted = 0;            // blocks that the store was to move
    std::vector<std::uint32_t> moved;  // offsets of those that it did; ascending
    bool leaves_some = false;          // to others
  };
  std::unordered_map<PackId, Share> shares_;
  std::uint64_t written_bytes_ = 0;
};

/// What a store without that service, or a source that is not whole, does not give is left out. All
/// that is in the result is durable and indexed. `progress`: packs and bytes asked for so far. A
/// stop ends it soon. Throws what the store throws, and busy if the lease has lapsed.
StoreMoves move_in_store(
    Repository& repository, const ExclusiveLease& lease, const Marks& marks,
    const CompactPlan& plan, const CompactOptions& options,
    const std::function<void(std::uint64_t packs, std::uint64_t bytes)>& progress,
    const std::stop_token& stop);

}  // namespace vgerfs::repo
