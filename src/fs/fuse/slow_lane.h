// Threads for requests that wait for the store for seconds, so that they do not take the threads
// that serve the rest.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vgerfs::fs {

/// Thread-safe. Begins threads on demand up to a limit; what comes then waits its turn.
class SlowLane {
 public:
  SlowLane() = default;
  /// close()
  ~SlowLane();
  SlowLane(const SlowLane&) = delete;
  SlowLane& operator=(const SlowLane&) = delete;

  /// `task` must not throw.
  void run(std::function<void()> task);
  /// Runs what is queued and joins. Nothing may come any more.
  void close();

 private:
  static constexpr std::size_t kMaxThreads = 16;

  void serve();

  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> tasks_;  // guarded by mutex_, as all below
  std::size_t idle_ = 0;
  bool closing_ = false;
  std::vector<std::jthread> threads_;
};

}  // namespace vgerfs::fs
