// Lets many requests change a source at once, and one operation (commit, start of a session,
// discard) have it alone.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <mutex>
#include <utility>

namespace vgerfs::fs {

/// Whoever closes is preferred: new requests wait as soon as it wants in, so that writers cannot
/// starve a commit. Not recursive. Thread-safe; its mutex is a leaf.
class Gate {
 public:
  void enter() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return !closed_; });
    ++inside_;
  }
  /// False when it is closed.
  bool try_enter() {
    const std::lock_guard lock{mutex_};
    if (closed_) return false;
    ++inside_;
    return true;
  }
  void leave() noexcept {
    {
      const std::lock_guard lock{mutex_};
      --inside_;
    }
    changed_.notify_all();
  }
  /// Returns when nobody is inside any more; one caller at a time has it closed.
  void close() {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return !closed_; });
    closed_ = true;
    changed_.wait(lock, [&] { return inside_ == 0; });
  }
  void open() noexcept {
    {
      const std::lock_guard lock{mutex_};
      closed_ = false;
    }
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  bool closed_ = false;  // guarded by mutex_, as the next
  std::size_t inside_ = 0;
};

/// Inside a gate, or having it closed, for a scope.
class GatePass {
 public:
  explicit GatePass(Gate& gate) : gate_(&gate) { gate.enter(); }
  GatePass(Gate& gate, std::adopt_lock_t) : gate_(&gate) {}
  GatePass(GatePass&& other) noexcept : gate_(std::exchange(other.gate_, nullptr)) {}
  GatePass& operator=(GatePass&&) = delete;
  GatePass(const GatePass&) = delete;
  GatePass& operator=(const GatePass&) = delete;
  ~GatePass() {
    if (gate_ != nullptr) gate_->leave();
  }

 private:
  Gate* gate_;
};

class GateClosed {
 public:
  explicit GateClosed(Gate& gate) : gate_(gate) { gate.close(); }
  GateClosed(const GateClosed&) = delete;
  GateClosed& operator=(const GateClosed&) = delete;
  ~GateClosed() { gate_.open(); }

 private:
  Gate& gate_;
};

}  // namespace vgerfs::fs
