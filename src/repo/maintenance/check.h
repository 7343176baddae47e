// Checks a repository, in three depths: what is there; whether every reference resolves; whether
// every byte decrypts and hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/maintenance/findings.h"
#include "repo/repository.h"

namespace vgerfs::repo {

enum class CheckLevel {
  quick,     ///< lists: names, sizes, what signed objects claim to have seen
  metadata,  ///< also reads records, snapshots and trees, and resolves every reference
  data,      ///< also reads packs, decrypts and hashes
};

/// How much of the packs a check reads.
struct ReadShare {
  std::optional<std::uint64_t> bytes;  ///< at least so much, whole packs
  double fraction = 1.0;               ///< of all, where `bytes` is not given
};

struct CheckOptions {
  CheckLevel level = CheckLevel::metadata;
  ReadShare share = {};
  bool store_reads = false;  ///< first has the store itself read and hash all that it has
  bool vouch = true;         ///< say so of blocks of ingest authors that were hashed
  unsigned threads = 0;      ///< 0: one per CPU
  std::stop_token stop = {};
};

struct CheckResult {
  std::vector<Finding> findings;  ///< errors first
  std::uint64_t snapshots = 0;
  std::uint64_t records = 0;
  std::uint64_t packs = 0;
  std::uint64_t tree_nodes = 0;  ///< read; of large directories some more than once
  std::uint64_t files = 0;
  std::uint64_t chunk_references = 0;
  std::uint64_t read_packs = 0;
  std::uint64_t read_bytes = 0;          ///< of packs
  std::uint64_t store_read_objects = 0;  ///< by the store itself
  std::uint64_t store_read_bytes = 0;
  std::uint64_t vouched_blocks = 0;
  std::string vouch_failure;  ///< why that could not be said; empty: it was

  bool has_errors() const noexcept;
};

/// How far it is; called a few times a second, by one thread at a time.
struct CheckProgress {
  const char* activity = "";  ///< "reading packs"
  std::uint64_t done = 0;
  std::optional<std::uint64_t> total;
  std::uint64_t bytes = 0;
  std::optional<std::uint64_t> total_bytes;
};

/// Needs role full (denied otherwise). Findings are values; throws only what stops the check itself
/// (stops_work). Each tree node and chunk is looked at once, however many snapshots share it.
/// Memory: 15 bytes per chunk of the repository, and some for what is damaged. Writes nothing to
/// the store but what it vouches for. A pack that the store says is
/// damaged is read by this client before it is believed. Throws unsupported if the store does not
/// read by itself and is to. Maintenance may run at the same time.
CheckResult run_check(Repository& repository, const CheckOptions& options,
                      const std::function<void(const CheckProgress&)>& progress);

}  // namespace vgerfs::repo
