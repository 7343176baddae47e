#include "repo/read_pool.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/thread.h"

namespace vgerfs::repo {
namespace {

/// A task may be the last to hold its directory's descriptor: this bounds them.
constexpr std::size_t kQueuedFiles = 128;
/// Handing over costs as much as reading a small file: so several go together.
constexpr std::size_t kBatchFiles = 16;
constexpr std::uint64_t kBatchBytes = 256 * 1024;

}  // namespace

ReadPool::ReadPool(const CaptureContext& context, unsigned threads)
    : context_(context),
      stop_with_(context.stop, [this] { stop_.request_stop(); }),
      queue_(kQueuedFiles) {
  context_.stop = stop_.get_token();
  if (threads == 0) threads = std::max(2U, std::thread::hardware_concurrency());
  threads_.reserve(threads);
  for (unsigned i = 0; i < threads; ++i) {
    threads_.push_back(start_thread("vgerfs-read", [this](const std::stop_token&) { work(); }));
  }
}

ReadPool::~ReadPool() {
  stop_.request_stop();
  queue_.close();
}

void ReadPool::submit(ReadTask task) {
  ++outstanding_;
  batch_bytes_ += static_cast<std::uint64_t>(std::max<off_t>(task.seen.st_size, 0));
  batch_.push_back(std::move(task));
  bool hungry = false;
  {
    const std::lock_guard lock{mutex_};
    hungry = idle_ > 0;
  }
  if (hungry || batch_.size() >= kBatchFiles || batch_bytes_ >= kBatchBytes) flush();
}

void ReadPool::flush() {
  if (batch_.empty()) return;
  const std::size_t count = batch_.size();
  queue_.push(std::exchange(batch_, {}), count);
  batch_bytes_ = 0;
}

std::vector<ReadResult> ReadPool::take(std::chrono::milliseconds timeout) {
  if (timeout.count() > 0) flush();
  std::unique_lock lock{mutex_};
  if (timeout.count() > 0) {
    done_changed_.wait_for(lock, timeout, [&] { return failure_ || !done_.empty(); });
  }
  if (failure_) std::rethrow_exception(failure_);
  std::vector<ReadResult> done = std::exchange(done_, {});
  outstanding_ -= done.size();
  return done;
}

void ReadPool::work() {
  try {
    FileCapture capture{context_};
    for (;;) {
      {
        const std::lock_guard lock{mutex_};
        ++idle_;
      }
      std::optional<Batch> batch = queue_.pop();
      if (!batch) return;
      std::vector<ReadResult> results;
      results.reserve(batch->size());
      {
        const std::lock_guard lock{mutex_};
        --idle_;
        if (stop_.stop_requested()) return;
      }
      for (ReadTask& task : *batch) {
        ReadResult& result = results.emplace_back();
        result.ticket = task.ticket;
        try {
          result.file = capture.capture(task.directory->get(), task.name.c_str(), task.seen);
        } catch (const FileError& error) {
          result.failure = error;
        }
        task.directory.reset();
      }
      const std::lock_guard lock{mutex_};
      std::move(results.begin(), results.end(), std::back_inserter(done_));
      done_changed_.notify_one();
    }
  } catch (...) {
    // Not the file but the store, memory, or the user's wish: the walk hears of it and ends. Nobody
    // may wait for a place in a queue that is not worked on.
    queue_.close();
    const std::lock_guard lock{mutex_};
    if (!failure_) failure_ = std::current_exception();
    done_changed_.notify_one();
  }
}

}  // namespace vgerfs::repo
