// Checks a repository: every reference resolves; with `read_data` every byte decrypts and hashes.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

struct CheckOptions {
  bool read_data = false;  ///< reads every pack whole, decrypts and hashes everything
  unsigned threads = 0;    ///< readers of packs; 0: one per CPU
  std::stop_token stop;
};

enum class Severity {
  note,   ///< nothing is lost: an object that nothing names
  error,  ///< data or structure is lost
};

/// A file or directory that a damaged object hurts.
struct AffectedPath {
  SnapshotId snapshot;
  std::string path;
};

struct Finding {
  Severity severity = Severity::error;
  std::string object;  ///< path of the object in the repository
  std::string what;
  std::vector<AffectedPath> affected;  ///< at most kMaxAffectedPaths of them
  std::uint64_t affected_count = 0;    ///< all of them; a subtree that cannot be read counts once
};
inline constexpr std::size_t kMaxAffectedPaths = 20;

struct CheckResult {
  std::vector<Finding> findings;  // errors first
  std::uint64_t snapshots = 0;
  std::uint64_t records = 0;
  std::uint64_t packs = 0;
  std::uint64_t tree_nodes = 0;
  std::uint64_t files = 0;
  std::uint64_t chunk_references = 0;
  std::uint64_t read_bytes = 0;  // of packs, with read_data

  bool has_errors() const noexcept;
};

/// How far it is; called from any of its threads.
struct CheckProgress {
  std::string activity;  // "reading packs", "walking trees"
  std::uint64_t done = 0;
  std::uint64_t total = 0;
  std::uint64_t bytes = 0;
};

/// Needs role full (denied otherwise). Findings are values; throws only what stops the check
/// itself: unavailable, interrupted, rollback. Each tree node and chunk is looked at once, however
/// many snapshots share it.
CheckResult run_check(Repository& repository, const CheckOptions& options,
                      const std::function<void(const CheckProgress&)>& progress);

}  // namespace vgerfs::repo
