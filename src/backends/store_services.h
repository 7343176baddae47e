// What only a server can do for its clients, beyond keeping objects (docs/PROTOCOL.md). A store
// without it works as well, only slower: whoever uses this has another way.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "backends/store_lease.h"
#include "base/ids.h"
#include "format/pack_layout.h"
#include "format/store_change.h"

namespace vgerfs::backends {

/// How what a store tells of its history relates to what this client remembers of it.
enum class Continuity {
  continues,  ///< the remembered head lies on it
  unknown,    ///< nothing is remembered, or it does not go back so far any more
  broken,     ///< it is another history: the store was set back, or changed behind its back
};

struct StoreHistory {
  format::ChainHead head;
  Continuity continuity = Continuity::unknown;
};

/// What one plan may take at most: every store that compacts takes that much, and answers in time.
inline constexpr std::uint64_t kPlanTakenBytes = std::uint64_t{256} << 20;
inline constexpr std::uint64_t kPlanSourceBytes = std::uint64_t{1} << 30;
inline constexpr std::size_t kPlanRuns = 16'384;
/// A source, and a new pack, count as so many runs: they take as much of a plan's text.
inline constexpr std::size_t kRunsOfSource = 4;

/// Whole blocks that lie beside each other in a pack.
struct BlockRun {
  std::uint64_t offset = 0;
  std::uint64_t bytes = 0;
};

struct CompactionSource {
  PackId pack;
  std::vector<BlockRun> runs;  ///< ascending
};

/// A pack to be made of blocks of others.
struct CompactedPack {
  std::array<std::byte, format::kPackHeaderBytes> header{};
  std::vector<CompactionSource> sources;  ///< in the order of its blocks
};

struct CompactionPlan {
  std::array<std::byte, 16> operation{};  ///< random: names this plan, however often it is sent
  std::vector<CompactedPack> packs;
};

struct MadePack {
  PackId id;
  std::uint64_t stored_bytes = 0;
};

struct CompactionAnswer {
  std::vector<std::optional<MadePack>> packs;  ///< by the plan's; nullopt: a source is damaged
  std::vector<PackId> damaged;                 ///< sources
};

/// An object that the store found not to be what was stored.
struct StoreDamage {
  format::ObjectName object;
  std::string problem;
};

/// How it is with what the store has read again since it came.
struct StoreHealth {
  bool is_at_beginning = true;       ///< the next part that is read is the first of a pass
  std::vector<StoreDamage> damaged;  ///< known and not mended; a bounded number
};

struct StoreReading {
  std::uint64_t objects = 0;
  std::uint64_t bytes = 0;
  bool is_pass_complete = false;
};

/// Thread-safe; errors as Backend's.
class StoreServices {
 public:
  virtual ~StoreServices() = default;

  /// nullopt: this store keeps no history.
  virtual std::optional<StoreHistory> history(const std::optional<format::ChainHead>& /*known*/) {
    return std::nullopt;
  }
  /// Null: this store keeps no leases, so that one is just an object. Throws busy, naming the
  /// holder, if an exclusive one is wanted and another is live; denied; what `Backend::write`
  /// throws.
  virtual std::unique_ptr<StoreLease> acquire_lease(const WantedLease& /*wanted*/) {
    return nullptr;
  }
  /// Those that are live; nullopt: this store keeps none.
  virtual std::optional<std::vector<ListedStoreLease>> leases() { return std::nullopt; }

  /// Makes packs of blocks of others. What it says was made is durable and visible. nullopt if the
  /// store does not do that, or not this: nothing is made then. Throws what `Backend::write`
  /// throws.
  virtual std::optional<CompactionAnswer> compact(const CompactionPlan& /*plan*/) {
    return std::nullopt;
  }

  /// nullopt: this store does not read by itself.
  virtual std::optional<StoreHealth> health() { return std::nullopt; }
  /// Has the store read and hash a part of what it has, where the last part ended, whoever asked
  /// for that. nullopt: it does not do that. Throws denied if it does not for this client.
  virtual std::optional<StoreReading> read_again(std::uint64_t /*max_bytes*/) {
    return std::nullopt;
  }
};

}  // namespace vgerfs::backends
