// Threads that read files for a backup's walk.
#pragma once

#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <stop_token>
#include <string>
#include <thread>
#include <vector>

#include "base/byte_queue.h"
#include "base/fd.h"
#include "repo/file_capture.h"

namespace vgerfs::repo {

/// One file to be read. `ticket` is the walk's.
struct ReadTask {
  std::shared_ptr<const Fd> directory;
  std::string name;
  struct ::stat seen {};
  std::uint64_t ticket = 0;
};

/// What came of it: a file, or why there is none.
struct ReadResult {
  std::uint64_t ticket = 0;
  CapturedFile file;
  std::optional<FileError> failure;
};

/// Takes tasks in the order of the walk and works on several at once. Its queue is short, what it
/// has done waits without bound: so the walk never waits for itself. One thread uses it.
class ReadPool {
 public:
  /// What `context` refers to must outlive the pool. `threads` 0: one per CPU, two at least.
  ReadPool(const CaptureContext& context, unsigned threads);
  /// Drops what is still queued, stops the files at work.
  ~ReadPool();
  ReadPool(const ReadPool&) = delete;
  ReadPool& operator=(const ReadPool&) = delete;

  /// May keep the task for a moment, to hand over small files together; waits while the queue is
  /// full.
  void submit(ReadTask task);
  /// Hands over what was kept.
  void flush();
  /// Tasks without result yet.
  std::size_t outstanding() const noexcept { return outstanding_; }
  /// What is done; with a timeout it flushes and waits for something if nothing is. Throws what a
  /// thread failed with.
  std::vector<ReadResult> take(std::chrono::milliseconds timeout);

 private:
  using Batch = std::vector<ReadTask>;
  void work();

  CaptureContext context_;  // with a stop token of ours
  std::stop_source stop_;
  const std::stop_callback<std::function<void()>> stop_with_;  // asked for by the caller's token
  ByteQueue<Batch> queue_;                                     // weighed in files
  Batch batch_;
  std::uint64_t batch_bytes_ = 0;
  std::size_t outstanding_ = 0;

  std::mutex mutex_;  // leaf; guards all below
  std::condition_variable done_changed_;
  std::vector<ReadResult> done_;
  std::exception_ptr failure_;
  unsigned idle_ = 0;
  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace vgerfs::repo
