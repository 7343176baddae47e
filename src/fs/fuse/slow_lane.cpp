#include "fs/fuse/slow_lane.h"

#include <utility>

#include "base/thread.h"

namespace vgerfs::fs {

SlowLane::~SlowLane() { close(); }

void SlowLane::close() {
  {
    const std::lock_guard lock{mutex_};
    closing_ = true;
  }
  wake_.notify_all();
  threads_.clear();
}

void SlowLane::run(std::function<void()> task) {
  const std::lock_guard lock{mutex_};
  tasks_.push_back(std::move(task));
  if (tasks_.size() > idle_ && threads_.size() < kMaxThreads) {
    threads_.push_back(start_thread("vgerfs-slow", [this](const std::stop_token&) { serve(); }));
  }
  wake_.notify_one();
}

void SlowLane::serve() {
  std::unique_lock lock{mutex_};
  for (;;) {
    ++idle_;
    wake_.wait(lock, [&] { return closing_ || !tasks_.empty(); });
    --idle_;
    if (tasks_.empty()) return;
    std::function<void()> task = std::move(tasks_.front());
    tasks_.pop_front();
    lock.unlock();
    task();
    task = nullptr;  // what it holds goes outside the lock
    lock.lock();
  }
}

}  // namespace vgerfs::fs
