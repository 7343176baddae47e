#include "server/commit_queue.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/beneath.h"

namespace vgerfs::server {
namespace {

/// So many changes at most in one transaction: the first to wait shall not wait for too many.
constexpr std::size_t kMaxBatch = 256;
/// How soon a change by another process (a token revoked, trash restored) is seen.
constexpr std::chrono::milliseconds kForeignInterval{500};

constexpr DatabaseOptions kOptions{.durability = Durability::extra, .cache_kib = 16 * 1024};

}  // namespace

/// Lives on the stack of the thread that waits for it.
struct CommitQueue::Job {
  std::function<void(Change&)> change;
  std::exception_ptr failure;
  bool finished = false;  // guarded by mutex_
};

void Change::sync_before_commit(const std::string& key, Fd directory) {
  directories_.try_emplace(key, std::move(directory));
}

void Change::after_commit(std::function<void()> action) { actions_.push_back(std::move(action)); }

CommitQueue::CommitQueue(const std::string& database_path,
                         std::function<void(Database&)> foreign_change,
                         std::function<void(const std::set<std::int64_t>&)> changed)
    : database_(database_path, kOptions),
      foreign_change_(std::move(foreign_change)),
      changed_(std::move(changed)) {
  Catalog::make_schema(database_);
  look_for_foreign_change();
  thread_ = start_thread("commit", [this](const std::stop_token& stop) { run(stop); });
}

CommitQueue::~CommitQueue() = default;

void CommitQueue::commit(std::function<void(Change&)> change) {
  Job job{.change = std::move(change)};
  std::unique_lock lock{mutex_};
  waiting_.push_back(&job);
  filled_.notify_one();
  done_.wait(lock, [&] { return job.finished; });
  if (job.failure) std::rethrow_exception(job.failure);
}

std::uint64_t CommitQueue::transactions() const {
  const std::lock_guard lock{mutex_};
  return transactions_;
}

void CommitQueue::run(const std::stop_token& stop) {
  for (;;) {
    std::vector<Job*> batch;
    {
      std::unique_lock lock{mutex_};
      filled_.wait_for(lock, stop, kForeignInterval, [&] { return !waiting_.empty(); });
      if (waiting_.empty() && stop.stop_requested()) return;
      const std::size_t count = std::min(waiting_.size(), kMaxBatch);
      batch.assign(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(count));
    }
    try {
      look_for_foreign_change();
    } catch (const std::exception& error) {
      log::warning("reading what another process has changed: {}", error.what());
    }
    if (batch.empty()) continue;
    run_batch(batch);
    {
      const std::lock_guard lock{mutex_};
      ++transactions_;
      for (Job* const job : batch) job->finished = true;
    }
    done_.notify_all();
  }
}

void CommitQueue::run_batch(std::vector<Job*>& batch) {
  Change change{database_};
  try {
    Transaction transaction{database_, Transaction::Mode::write};
    for (Job* const job : batch) run_one(*job, change);
    for (const auto& [key, directory] : change.directories_) sync(directory.get(), key);
    transaction.commit();
  } catch (...) {
    for (Job* const job : batch) {
      if (!job->failure) job->failure = std::current_exception();
    }
    return;
  }
  for (const auto& action : change.actions_) action();
  if (changed_ && !change.catalog_.touched().empty()) changed_(change.catalog_.touched());
}

void CommitQueue::run_one(Job& job, Change& change) {
  const std::size_t actions_before = change.actions_.size();
  database_.query("SAVEPOINT change").run();
  try {
    job.change(change);
  } catch (...) {
    job.failure = std::current_exception();
    change.actions_.resize(actions_before);
    database_.query("ROLLBACK TO change").run();
  }
  database_.query("RELEASE change").run();
}

void CommitQueue::look_for_foreign_change() {
  std::int64_t version = 0;
  {
    auto row = database_.query("PRAGMA data_version");
    if (row.step()) version = row.integer(0);
  }
  if (version == seen_version_) return;
  foreign_change_(database_);
  seen_version_ = version;
}

}  // namespace vgerfs::server
