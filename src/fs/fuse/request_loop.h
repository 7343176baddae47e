// The threads that take requests from the kernel and serve them.
#pragma once

#include <fuse_lowlevel.h>

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace vgerfs::fs {

/// Begins with one thread and adds one when all are busy: a serial workload keeps to warm threads.
/// Differs from libfuse's own loop in that it can be stopped without losing a request that was
/// taken already.
class RequestLoop {
 public:
  /// `ended` is called once, on one of the threads, when the kernel has ended the session (an
  /// unmount); not after stop().
  RequestLoop(fuse_session* session, std::function<void()> ended);
  /// stop()
  ~RequestLoop();

  void start();
  /// Returns when no thread serves any more: requests taken are answered, the rest stay with the
  /// kernel.
  void stop();

 private:
  /// More than ever wait for one commit with changes to its source: signals and readers must get
  /// through.
  static constexpr std::size_t kMaxThreads = 64;

  void serve();
  void add_thread();  // with mutex_ held

  fuse_session* const session_;
  const std::function<void()> ended_;
  std::mutex mutex_;
  std::condition_variable left_;
  std::vector<std::jthread> threads_;  // guarded by mutex_, as below
  std::size_t serving_ = 0;            // threads that have not left
  std::size_t idle_ = 0;               // of these: waiting for a request
  bool stopping_ = false;
  bool told_end_ = false;
};

}  // namespace vgerfs::fs
