// The right to do something that waits for the store, one thread at a time. Not a lock that is held
// across I/O but a queue: whoever does not need the turn passes it by.
#pragma once

#include <condition_variable>
#include <mutex>

namespace vgerfs::backends {

class TurnQueue {
 public:
  /// Waits for its turn; gives it on when it dies.
  class Turn {
   public:
    explicit Turn(TurnQueue& queue) : queue_(queue) {
      std::unique_lock lock{queue_.mutex_};
      queue_.over_.wait(lock, [&] { return !queue_.is_taken_; });
      queue_.is_taken_ = true;
    }
    ~Turn() {
      {
        const std::lock_guard lock{queue_.mutex_};
        queue_.is_taken_ = false;
      }
      queue_.over_.notify_one();
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    TurnQueue& queue_;
  };

 private:
  std::mutex mutex_;  // a leaf
  std::condition_variable over_;
  bool is_taken_ = false;
};

}  // namespace vgerfs::backends
