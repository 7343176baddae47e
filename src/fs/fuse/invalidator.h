// Tells the kernel, on a thread of its own, which names it must look up again: the kernel takes the
// directory's lock for that, which a request that we are just serving may hold.
#pragma once

#include <fuse_lowlevel.h>

#include <chrono>
#include <condition_variable>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <thread>
#include <utility>

#include "fs/types.h"

namespace vgerfs::fs {

/// Thread-safe.
class Invalidator {
 public:
  explicit Invalidator(fuse_session* session);
  ~Invalidator();
  /// The session is not used any more when this returns; what is pushed afterwards is dropped.
  void close();

  /// Does not wait.
  void push(NodeId parent, std::string_view name);
  /// The kernel asks for the node's attributes again when it needs them next. At once: takes no
  /// lock that a request may hold.
  void forget_attributes(NodeId node);
  /// Waits until what was pushed before is told, or the time is over.
  void drain(std::chrono::milliseconds max_wait);

 private:
  void run(const std::stop_token& stop);

  fuse_session* const session_;
  std::mutex mutex_;
  std::condition_variable_any wake_;
  std::condition_variable_any done_;
  std::deque<std::pair<NodeId, std::string>> names_;  // guarded by mutex_, as below
  std::uint64_t pushed_ = 0;
  std::uint64_t told_ = 0;
  bool closed_ = false;
  std::jthread thread_;
};

}  // namespace vgerfs::fs
