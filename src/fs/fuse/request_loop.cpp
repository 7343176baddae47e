#include "fs/fuse/request_loop.h"

#include <pthread.h>

#include <cerrno>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <utility>

#include "base/thread.h"

namespace vgerfs::fs {
namespace {

/// Interrupts a read of the device; not used for anything else.
constexpr int kWakeSignal = SIGUSR2;

struct ReceiveBuffer {
  ReceiveBuffer() = default;
  ReceiveBuffer(const ReceiveBuffer&) = delete;
  ReceiveBuffer& operator=(const ReceiveBuffer&) = delete;
  ~ReceiveBuffer() { std::free(buffer.mem); }  // libfuse allocates it with malloc

  fuse_buf buffer{};
};

void install_wake_signal() {
  struct sigaction action {};
  action.sa_handler = [](int) {};
  ::sigaction(kWakeSignal, &action, nullptr);  // without SA_RESTART: the read returns
}

void unblock_wake_signal() {
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, kWakeSignal);
  ::pthread_sigmask(SIG_UNBLOCK, &signals, nullptr);
}

}  // namespace

RequestLoop::RequestLoop(fuse_session* session, std::function<void()> ended)
    : session_(session), ended_(std::move(ended)) {}

RequestLoop::~RequestLoop() { stop(); }

void RequestLoop::start() {
  install_wake_signal();
  const std::lock_guard lock{mutex_};
  add_thread();
}

void RequestLoop::add_thread() {
  ++serving_;
  ++idle_;
  threads_.push_back(start_thread("vgerfs-fuse", [this](const std::stop_token&) { serve(); }));
}

void RequestLoop::stop() {
  {
    std::unique_lock lock{mutex_};
    stopping_ = true;
    while (serving_ != 0) {
      // Again and again: a signal that comes just before the read does not interrupt it.
      for (std::jthread& thread : threads_) ::pthread_kill(thread.native_handle(), kWakeSignal);
      left_.wait_for(lock, std::chrono::milliseconds{2});
    }
  }
  threads_.clear();
}

void RequestLoop::serve() {
  unblock_wake_signal();
  ReceiveBuffer received;
  std::unique_lock lock{mutex_};
  while (!stopping_) {
    lock.unlock();
    const int size = ::fuse_session_receive_buf(session_, &received.buffer);
    lock.lock();
    if (size == -EINTR || size == -EAGAIN) continue;
    if (size <= 0) {
      const bool first = !std::exchange(told_end_, true) && !stopping_;
      lock.unlock();
      if (first) ended_();
      lock.lock();
      break;
    }
    if (--idle_ == 0 && threads_.size() < kMaxThreads && !stopping_) add_thread();
    lock.unlock();
    ::fuse_session_process_buf(session_, &received.buffer);
    lock.lock();
    ++idle_;
  }
  --idle_;
  --serving_;
  left_.notify_all();
}

}  // namespace vgerfs::fs
