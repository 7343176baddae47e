// What a backup's walk has met so far: statistics, failures, fingerprints; and who is told.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include "format/snapshot.pb.h"
#include "repo/file_failure.h"
#include "repo/fingerprints.h"
#include "repo/number_set.h"
#include "repo/operation_progress.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// One thread, but for `bytes_read`.
class BackupTally {
 public:
  /// `expected`: totals, if somebody knows them.
  BackupTally(OperationProgress& progress, const OperationCounts& expected)
      : progress_(progress), expected_(expected) {}

  enum class Change { unchanged, changed, is_new };
  /// An entry that goes into the tree. `change` is counted for regular files.
  void count(const Entry& entry, Change change);
  void fail(std::string path, FailureKind kind, std::string reason);
  void fail(std::string path, const FileError& error) {
    fail(std::move(path), error.kind(), error.message());
  }

  /// Tells the progress if it is time. Cheap.
  void show(std::string_view path);
  void show_now(std::string_view path);

  std::atomic<std::uint64_t> bytes_read = 0;
  FingerprintWriter fingerprints;
  bool has_new_fingerprints = false;  // so they are not just those of the last snapshot
  format::proto::Statistics statistics;
  FileFailures failures;

 private:
  OperationProgress& progress_;
  const OperationCounts expected_;
  std::uint64_t bytes_unchanged_ = 0;
  NumberSet link_groups_;
  std::chrono::steady_clock::time_point next_update_;
};

}  // namespace vgerfs::repo
