#include "fs/fuse/invalidator.h"

#include <algorithm>

#include "base/thread.h"

namespace vgerfs::fs {

Invalidator::Invalidator(fuse_session* session) : session_(session) {
  thread_ = start_thread("vgerfs-inval", [this](const std::stop_token& stop) { run(stop); });
}

Invalidator::~Invalidator() { close(); }

void Invalidator::close() {
  {
    const std::lock_guard lock{mutex_};
    closed_ = true;
    told_ = pushed_;
    names_.clear();
  }
  done_.notify_all();
  thread_ = {};
}

void Invalidator::push(NodeId parent, std::string_view name) {
  const std::lock_guard lock{mutex_};
  if (closed_) return;
  names_.emplace_back(parent, name);
  ++pushed_;
  wake_.notify_one();
}

void Invalidator::forget_attributes(NodeId node) {
  const std::lock_guard lock{mutex_};
  if (!closed_) ::fuse_lowlevel_notify_inval_inode(session_, node, -1, 0);
}

void Invalidator::drain(std::chrono::milliseconds max_wait) {
  std::unique_lock lock{mutex_};
  const std::uint64_t wanted = pushed_;
  done_.wait_for(lock, max_wait, [&] { return told_ >= wanted; });
}

void Invalidator::run(const std::stop_token& stop) {
  std::unique_lock lock{mutex_};
  while (wake_.wait(lock, stop, [&] { return !names_.empty(); })) {
    const auto [parent, name] = std::move(names_.front());
    names_.pop_front();
    lock.unlock();
    // A name that the kernel does not remember is an error of no interest.
    ::fuse_lowlevel_notify_inval_entry(session_, parent, name.data(), name.size());
    lock.lock();
    told_ = std::min(told_ + 1, pushed_);
    done_.notify_all();
  }
}

}  // namespace vgerfs::fs
