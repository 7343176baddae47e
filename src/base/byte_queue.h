// A queue bounded in bytes, between the stages of a pipeline.
#pragma once

#include <condition_variable>
#include <cstddef>
#include <deque>
#include <mutex>
#include <optional>
#include <utility>

namespace vgerfs {

/// FIFO of values with a weight each. `push` waits while the queue is over its budget; one value
/// always fits, so a value larger than the budget does not block for ever. Thread-safe.
template <class Value>
class ByteQueue {
 public:
  explicit ByteQueue(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// False (and the value dropped) if the queue was closed.
  bool push(Value value, std::size_t bytes) {
    std::unique_lock lock{mutex_};
    space_.wait(
        lock, [&] { return closed_ || items_.empty() || queued_bytes_ + bytes <= budget_bytes_; });
    if (closed_) return false;
    queued_bytes_ += bytes;
    items_.emplace_back(std::move(value), bytes);
    lock.unlock();
    filled_.notify_one();
    return true;
  }

  /// Waits for a value; nullopt when the queue is closed and empty.
  std::optional<Value> pop() {
    std::unique_lock lock{mutex_};
    filled_.wait(lock, [&] { return closed_ || !items_.empty(); });
    if (items_.empty()) return std::nullopt;
    std::optional<Value> value{std::move(items_.front().first)};
    queued_bytes_ -= items_.front().second;
    items_.pop_front();
    lock.unlock();
    space_.notify_one();
    return value;
  }

  /// No more values come; waiting consumers get what is left, then nullopt.
  void close() {
    {
      const std::lock_guard lock{mutex_};
      closed_ = true;
    }
    filled_.notify_all();
    space_.notify_all();
  }

 private:
  const std::size_t budget_bytes_;
  std::mutex mutex_;
  std::condition_variable filled_;
  std::condition_variable space_;
  std::deque<std::pair<Value, std::size_t>> items_;  // guarded by mutex_, as all below
  std::size_t queued_bytes_ = 0;
  bool closed_ = false;
};

}  // namespace vgerfs
