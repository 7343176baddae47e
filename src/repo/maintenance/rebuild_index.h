// Says anew what lost index records said of packs: those that no readable record names are read,
// decrypted and hashed, and named by records of this author, who so vouches for them. A lost record
// is superseded, so that nobody waits for it; should it come back, it counts again.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <unordered_set>
#include <utility>
#include <vector>

#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/grace.h"
#include "repo/repository.h"

namespace vgerfs::repo {

struct RebuildOptions {
  std::int64_t grace_s = kDefaultGrace_s;
  unsigned threads = 0;   ///< 0: one per CPU
  bool salvages = false;  ///< who calls stores again what is good of packs that are not whole
};

struct LostRecord {
  RecordId id;
  std::string reason;
  bool known = false;  ///< this client had read it: what it said of other things is said again
};

struct UnnamedPack {
  PackId id;
  std::uint64_t stored_bytes = 0;
};

/// What would be done. A plain value; no pack was read for it.
struct RebuildPlan {
  std::vector<UnnamedPack> packs;  ///< to be read and named
  std::vector<LostRecord> lost;    ///< to be superseded
  /// Removed snapshots that are still in the store. The lost records may have brought them back:
  /// their removal is said anew, so that the grace time begins again.
  std::vector<SnapshotId> removed_again;
  std::unordered_set<RecordId> unusable;  ///< in the index of this client, but lost
  std::uint64_t stored_bytes = 0;         ///< of `packs`
  std::uint64_t records = 0;              ///< that can be read
  std::uint64_t named_packs = 0;          ///< in the store
  std::uint64_t young_packs = 0;  ///< left alone: a session that is at work may have written them
  std::uint64_t dead_packs = 0;   ///< buried: they never count again

  bool empty() const noexcept { return packs.empty() && lost.empty(); }
};

/// Reads every index record. Throws what stops all work.
RebuildPlan plan_rebuild(Repository& repository, const ExclusiveLease& lease,
                         const RebuildOptions& options, const std::stop_token& stop);

struct RebuildResult {
  std::uint64_t named_packs = 0;
  std::uint64_t chunks = 0;      ///< in them
  std::uint64_t read_bytes = 0;  ///< of packs
  /// Packs that could not be named, and why: they are left as they are.
  std::vector<std::pair<PackId, std::string>> unreadable;
  /// The lost records are still lost, since packs were left alone: maintenance waits.
  bool lost_wait = false;
  bool stopped = false;
};

struct RebuildProgress {
  std::uint64_t done = 0;  ///< packs
  std::uint64_t total = 0;
  std::uint64_t bytes = 0;
  std::uint64_t total_bytes = 0;
};

/// Publishes as it goes: a run that was stopped need not read again what it has named. Packs that
/// were buried or named meanwhile are left out; the lost records are superseded at the very end,
/// if they need not wait for packs that were left alone.
RebuildResult execute(const RebuildPlan& plan, Repository& repository, const ExclusiveLease& lease,
                      const RebuildOptions& options,
                      const std::function<void(const RebuildProgress&)>& progress,
                      const std::stop_token& stop);

}  // namespace vgerfs::repo
