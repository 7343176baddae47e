#include "server/commit_queue.h"

#include <algorithm>
#include <chrono>
#include <exception>
#include <optional>
#include <system_error>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "server/beneath.h"
#include "server/schema.h"

namespace vgerfs::server {
namespace {

/// So many changes at most in one transaction: the first to wait shall not wait for too many.
constexpr std::size_t kMaxBatch = 256;
/// How soon a change by another process (a token revoked, trash restored) is seen.
constexpr std::chrono::milliseconds kForeignInterval{500};

constexpr DatabaseOptions kCatalogOptions{.durability = Durability::extra, .cache_kib = 16 * 1024};

/// Directories are synced by so many threads at most.
constexpr std::size_t kSyncThreads = 16;

/// All at the same time: the disk then ends what it has to write once for many of them.
void sync_all(const std::map<std::string, Fd>& directories) {
  std::mutex mutex;
  auto next = directories.begin();  // guarded by mutex, as is the next
  std::exception_ptr failure;
  const auto sync_each = [&] {
    std::unique_lock lock{mutex};
    while (next != directories.end()) {
      const auto& [key, directory] = *next++;
      lock.unlock();
      std::exception_ptr failed;
      try {
        sync(directory.get(), key);
      } catch (...) {
        failed = std::current_exception();
      }
      lock.lock();
      if (failed) failure = failed;
    }
  };
  {
    std::vector<std::jthread> others;
    try {
      while (others.size() + 1 < std::min(directories.size(), kSyncThreads)) {
        others.push_back(start_thread("sync", sync_each));
      }
    } catch (const std::system_error&) {  // NOLINT(bugprone-empty-catch): fewer threads do it
    }
    sync_each();
  }
  if (failure) std::rethrow_exception(failure);
}

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

void Change::sync_before_commit(std::int64_t repository, const RepositoryFiles& files,
                                const format::ObjectName& name) {
  for (auto& [path, directory] : files.directories_of(name)) {
    sync_before_commit(fmt::format("{}/{}", repository, path), std::move(directory));
  }
}

void Change::after_commit(std::function<void()> action) { actions_.push_back(std::move(action)); }

CommitQueue::CommitQueue(const std::string& database_path,
                         std::function<void(Database&)> foreign_change,
                         std::function<void(const std::set<std::int64_t>&)> changed)
    : database_(database_path, kCatalogOptions),
      foreign_change_(std::move(foreign_change)),
      changed_(std::move(changed)) {
  make_schema(database_);
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
    sync_all(change.directories_);
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
