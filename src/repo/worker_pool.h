// Threads that work through tasks for one thread that makes them and takes the results.
#pragma once

#include <algorithm>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <iterator>
#include <mutex>
#include <optional>
#include <stop_token>
#include <thread>
#include <utility>
#include <vector>

#include "base/byte_queue.h"
#include "base/error.h"
#include "base/thread.h"

namespace vgerfs::repo {

/// Tasks are begun in order, several at once. The queue is short and full when it is full; results
/// wait without bound: so the owner never waits for itself. What a worker throws ends the pool and
/// comes out of `take`: a task that fails by itself has that in its result. One thread owns and
/// uses it.
template <class Task, class Result>
class WorkerPool {
 public:
  struct Options {
    const char* thread_name = "vgerfs-work";
    unsigned threads = 0;  // 0: one per CPU, two at least
    std::size_t queued_tasks = 128;
    // Handing over costs as much as a small task: so small ones go together.
    std::size_t batch_tasks = 16;
    std::uint64_t batch_weight = 256 * 1024;
  };
  using Worker = std::function<Result(Task&)>;
  /// Called once in each thread. The token asks long tasks to end soon: by throwing.
  using MakeWorker = std::function<Worker(std::stop_token)>;

  /// Stops when `stop` does.
  WorkerPool(const Options& options, std::stop_token stop, MakeWorker make_worker)
      : options_(options),
        make_worker_(std::move(make_worker)),
        stop_with_(std::move(stop), [this] { stop_.request_stop(); }),
        queue_(options.queued_tasks) {
    const unsigned threads =
        options.threads != 0 ? options.threads : std::max(2U, std::thread::hardware_concurrency());
    threads_.reserve(threads);
    for (unsigned i = 0; i < threads; ++i) {
      threads_.push_back(
          start_thread(options.thread_name, [this](const std::stop_token&) { work(); }));
    }
  }
  /// Drops what is queued, asks what is at work to end, and waits for that.
  ~WorkerPool() {
    stop_.request_stop();
    queue_.close();
  }
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  /// May keep the task until others join it or somebody waits; waits while the queue is full.
  /// `weight`: bytes or so.
  void submit(Task task, std::uint64_t weight) {
    ++outstanding_;
    batch_weight_ += weight;
    batch_.push_back(std::move(task));
    bool hungry = false;
    {
      const std::lock_guard lock{mutex_};
      hungry = idle_ > 0;
    }
    if (hungry || batch_.size() >= options_.batch_tasks || batch_weight_ >= options_.batch_weight)
      flush();
  }

  /// Tasks whose results were not taken yet.
  std::size_t outstanding() const noexcept { return outstanding_; }

  /// What is done; with a timeout, waits so long for something to be.
  std::vector<Result> take(std::chrono::milliseconds timeout) {
    const bool waits = timeout.count() > 0;
    if (waits) flush();
    std::unique_lock lock{mutex_};
    if (waits) done_changed_.wait_for(lock, timeout, [&] { return failure_ || !done_.empty(); });
    if (failure_) std::rethrow_exception(failure_);
    std::vector<Result> done = std::exchange(done_, {});
    outstanding_ -= done.size();
    return done;
  }

 private:
  using Batch = std::vector<Task>;

  void flush() {
    if (batch_.empty()) return;
    const std::size_t count = batch_.size();
    queue_.push(std::exchange(batch_, {}), count);
    batch_weight_ = 0;
  }

  void work() {
    try {
      const Worker worker = make_worker_(stop_.get_token());
      while (std::optional<Batch> batch = next()) {
        std::vector<Result> results;
        results.reserve(batch->size());
        for (Task& task : *batch) results.push_back(worker(task));
        batch.reset();  // what tasks hold is let go before anybody learns that they are done
        const std::lock_guard lock{mutex_};
        std::move(results.begin(), results.end(), std::back_inserter(done_));
        done_changed_.notify_one();
      }
    } catch (...) {
      // Nobody may wait for a place in a queue that is not worked on.
      queue_.close();
      const std::lock_guard lock{mutex_};
      if (!failure_) failure_ = std::current_exception();
      done_changed_.notify_one();
    }
  }

  std::optional<Batch> next() {
    {
      const std::lock_guard lock{mutex_};
      ++idle_;
    }
    std::optional<Batch> batch = queue_.pop();
    // Its task is dropped: whoever still waits for results must learn that none will come.
    if (batch && stop_.stop_requested()) throw Error{ErrorCode::interrupted, "stopped"};
    const std::lock_guard lock{mutex_};
    --idle_;
    return batch;
  }

  const Options options_;
  const MakeWorker make_worker_;
  std::stop_source stop_;
  const std::stop_callback<std::function<void()>> stop_with_;
  ByteQueue<Batch> queue_;  // weighed in tasks
  Batch batch_;
  std::uint64_t batch_weight_ = 0;
  std::size_t outstanding_ = 0;

  std::mutex mutex_;  // leaf; guards all below
  std::condition_variable done_changed_;
  std::vector<Result> done_;
  std::exception_ptr failure_;
  unsigned idle_ = 0;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace vgerfs::repo
