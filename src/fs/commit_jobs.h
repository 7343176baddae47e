// Commits that go on when nobody waits for them any more: an interrupted caller leaves, the next
// one waits again.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <mutex>
#include <string>
#include <string_view>

namespace vgerfs::fs {

/// Thread-safe. Destroying it waits for the commits that run.
class CommitJobs {
 public:
  using Commit = std::function<void(const std::string& source, const std::string& trigger)>;

  explicit CommitJobs(Commit commit) : commit_(std::move(commit)) {}

  /// Returns after a commit that began after the call, and throws what it throws: one that runs
  /// already may not have what the caller wrote last. All who wait behind it share the next.
  /// `interrupted` is polled; when it is true, throws FsError{EINTR} and lets the commit go on.
  void commit(std::string_view source, std::string_view trigger,
              const std::function<bool()>& interrupted);

 private:
  struct Line {
    std::shared_future<void> running;
    std::shared_future<void> next;  // not valid: nobody waits
  };
  std::shared_future<void> join(const std::string& source, const std::string& trigger);

  const Commit commit_;
  std::mutex mutex_;
  std::map<std::string, Line> lines_;  // by source; guarded by mutex_
};

}  // namespace vgerfs::fs
