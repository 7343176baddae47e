// Waiting until everything begun before now is done, while new things go on being begun.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <set>

namespace vgerfs::repo {

/// Numbers things under way. Thread-safe.
class Outstanding {
 public:
  std::uint64_t begin() {
    const std::lock_guard lock{mutex_};
    open_.insert(next_);
    return next_++;
  }
  void end(std::uint64_t number) {
    {
      const std::lock_guard lock{mutex_};
      open_.erase(number);
    }
    changed_.notify_all();
  }
  /// What begins next has this number.
  std::uint64_t next() const {
    const std::lock_guard lock{mutex_};
    return next_;
  }
  /// Returns when all numbered below `number` are done, or once `stopped()`: whoever makes that
  /// true calls `wake`.
  template <class Stopped>
  void wait_below(std::uint64_t number, Stopped stopped) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return stopped() || open_.empty() || *open_.begin() >= number; });
  }
  void wake() {
    // Taking the lock orders this against a waiter between its test and its sleep.
    { const std::lock_guard lock{mutex_}; }
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::uint64_t> open_;  // guarded by mutex_, as the next
  std::uint64_t next_ = 0;
};

}  // namespace vgerfs::repo
