// Gives space back: what no snapshot needs is moved out of packs, condemned, and after the grace
// time deleted (docs/LOCKING.md has the argument why nothing that is needed ever is).
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <utility>
#include <vector>

#include "repo/maintenance/compact_plan.h"

namespace vgerfs::repo {

struct CompactResult {
  CompactPlan plan;
  bool executed = false;
  std::uint64_t moved_packs = 0;
  std::uint64_t condemned_packs = 0;
  std::uint64_t rescued_packs = 0;
  std::uint64_t written_bytes = 0;      ///< of new packs, by this client
  std::uint64_t store_moved_bytes = 0;  ///< of new packs that the store made of blocks it had
  std::uint64_t deleted_packs = 0;
  std::uint64_t deleted_bytes = 0;
  std::uint64_t deleted_snapshots = 0;
  std::uint64_t deleted_records = 0;
  std::uint64_t merged_records = 0;
  std::vector<std::pair<PackId, std::string>> damaged;  ///< packs that could not be moved, and why
  bool stopped = false;
};

struct CompactProgress {
  std::string activity;  ///< "marking", "repacking"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::uint64_t bytes = 0;
};

/// Takes the exclusive lease, loads state, plans, and unless `dry_run` executes. May be stopped, or
/// killed, at any instant: what was done counts, the next run goes on. Throws busy, denied, corrupt
/// (something cannot be read: see Marks), and what the store throws.
CompactResult compact(Repository& repository, const CompactOptions& options, bool dry_run,
                      const std::function<void(const CompactProgress&)>& progress,
                      const std::stop_token& stop);

}  // namespace vgerfs::repo
