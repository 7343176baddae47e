// The one writer. Every change of a repository's directory and of the database runs on its thread,
// so that what happens to one name happens in one order; what many requests ask for at the same
// time shares one transaction and one fsync of each directory.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/fd.h"
#include "base/sqlite.h"
#include "format/object_name.h"
#include "server/catalog.h"
#include "server/repository_files.h"

namespace vgerfs::server {

/// What a change works with. Directories given to `sync_before_commit` are synced once, after all
/// changes of the transaction and before it is committed.
class Change {
 public:
  explicit Change(Database& database) : database_(database), catalog_(database) {}

  Database& database() noexcept { return database_; }
  Catalog& catalog() noexcept { return catalog_; }
  /// `key` tells directories apart.
  void sync_before_commit(const std::string& key, Fd directory);
  /// The same for all directories of an object's name.
  void sync_before_commit(std::int64_t repository, const RepositoryFiles& files,
                          const format::ObjectName& name);
  /// Runs on the writer's thread once the change is durable; must not throw.
  void after_commit(std::function<void()> action);

 private:
  friend class CommitQueue;

  Database& database_;
  Catalog catalog_;
  std::map<std::string, Fd> directories_;
  std::vector<std::function<void()>> actions_;
};

/// Thread-safe. Ends by finishing what it was given.
class CommitQueue {
 public:
  /// Both run on the writer's thread, outside a transaction: `foreign_change` when another process
  /// has changed the database, and once at the start; `changed` with the repositories whose objects
  /// a durable change added or removed.
  CommitQueue(const std::string& database_path, std::function<void(Database&)> foreign_change,
              std::function<void(const std::set<std::int64_t>&)> changed = {});
  ~CommitQueue();
  CommitQueue(const CommitQueue&) = delete;
  CommitQueue& operator=(const CommitQueue&) = delete;

  /// Runs `change` and returns when it is durable. What it throws is thrown here, and its rows are
  /// rolled back, those of others are not. If the commit itself fails, this throws, too: then rows
  /// are as before, but files are as `change` has left them.
  void commit(std::function<void(Change&)> change);

  /// Transactions and changes so far, for metrics.
  std::uint64_t transactions() const;

 private:
  struct Job;

  void run(const std::stop_token& stop);
  void run_batch(std::vector<Job*>& batch);
  void run_one(Job& job, Change& change);
  void look_for_foreign_change();

  Database database_;  // the writer's thread only
  std::function<void(Database&)> foreign_change_;
  std::function<void(const std::set<std::int64_t>&)> changed_;
  std::int64_t seen_version_ = -1;
  mutable std::mutex mutex_;
  std::condition_variable_any filled_;
  std::condition_variable done_;
  std::vector<Job*> waiting_;  // guarded by mutex_, as is the next
  std::uint64_t transactions_ = 0;
  std::jthread thread_;  // last: it uses all of the above
};

}  // namespace vgerfs::server
