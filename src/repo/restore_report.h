// What a restore tells: the counts in its result, its listener, its progress.
#pragma once

#include <atomic>
#include <chrono>
#include <string>
#include <vector>

#include "repo/restore.h"

namespace vgerfs::repo {

/// One thread at a time, but for `bytes`.
class RestoreReport {
 public:
  /// All must outlive it.
  RestoreReport(const OperationCounts& expected, OperationProgress& progress,
                const RestoreListener& listener)
      : expected_(expected), progress_(progress), listener_(listener) {}

  void made(RestoreAction action, const std::string& path, const Entry& entry);
  /// Content that was made or replaced, for the result.
  void add_bytes(std::uint64_t bytes) { result_.bytes += bytes; }
  void failed(const std::string& path, FailureKind kind, std::string reason);
  void failed(const std::string& path, const FileError& error) {
    failed(path, error.kind(), error.message());
  }

  /// Where the walk is.
  void at(const std::string& path) { current_ = path; }
  /// Updates the progress a few times a second; the last time at once.
  void show(bool now = false);
  /// Content done so far, for the progress: counted by those who write it.
  std::atomic<std::uint64_t>& bytes() noexcept { return bytes_; }

  /// Once, at the end.
  RestoreResult take(std::vector<RestoreLimit> limits);

 private:
  const OperationCounts& expected_;
  OperationProgress& progress_;
  const RestoreListener& listener_;
  RestoreResult result_;
  std::atomic<std::uint64_t> bytes_ = 0;
  std::uint64_t items_ = 0;
  std::string current_;
  std::chrono::steady_clock::time_point next_update_;
};

}  // namespace vgerfs::repo
