// The objects of all repositories. What it acknowledges is durable: the object's bytes, its name,
// and its row in the database. An object becomes visible only whole, is never overwritten, and is
// removed into the trash.
//
// The order that a crash at any point leaves settleable: bytes synced in uploads/, name linked,
// directory synced, row committed, file in uploads/ unlinked; for a removal: moved into trash/,
// both directories synced, rows committed.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "base/sqlite.h"
#include "server/catalog.h"
#include "server/commit_queue.h"
#include "server/data_directory.h"
#include "server/operation_log.h"
#include "server/policy.h"
#include "server/repository_files.h"
#include "server/space_ledger.h"
#include "server/upload.h"

namespace vgerfs::server {

struct Repository {
  std::int64_t id = 0;
  RepositoryName name;
};

/// Runs within the transaction of a change, before it: what this throws refuses the change.
using ChangeGuard = std::function<void(Change&)>;

/// Thread-safe. Blocks for the disk.
class ObjectStore {
 public:
  /// All must outlive it. Settles first what a crash has left.
  ObjectStore(const DataDirectory& directory, CommitQueue& queue, SpaceLedger& ledger,
              const Clock& clock);

  /// nullopt if there is none. One that the database does not know yet is taken in by a walk.
  std::optional<Repository> find(const RepositoryName& name);
  /// Makes it if it is absent.
  void create(const RepositoryName& name);
  std::size_t repository_count();

  /// nullopt if the object is certainly absent.
  std::optional<OpenObject> open(const Repository& repository, const format::ObjectName& name);
  /// Sets the object's time of last modification to now; false if it is certainly absent.
  bool touch(const Repository& repository, const format::ObjectName& name);
  /// Whether this principal has added it.
  bool is_own(const Repository& repository, const format::ObjectName& name,
              const Principal& principal);
  /// Locks come from the directory, so that a client that works on it is seen; all else from the
  /// database.
  /// The head of the changes that the list shows; nullopt for locks.
  std::optional<format::ChainHead> list(const Repository& repository, format::ObjectType type,
                                        const std::function<void(const ListedObject&)>& each);

  /// The reservation is for the repository; it is settled when the object is there.
  std::unique_ptr<Upload> begin(const Repository& repository, const format::ObjectName& name,
                                const Principal& principal, Reservation reservation);
  enum class Added { anew, again };
  /// Publishes what was uploaded. `again`: the same object was there already. Throws usage if the
  /// bytes are not what the name says, exists if the name has other content. `published` runs
  /// within the transaction that publishes it.
  Added add(const Repository& repository, Upload& upload, const ChangeGuard& guard = {},
            const std::function<void(Change&)>& published = {});
  /// Durable when it returns; false if it was absent.
  bool remove(const Repository& repository, const format::ObjectName& name,
              const Principal& principal, const ChangeGuard& guard = {});

  void forget_changes_before(std::int64_t time);

  std::optional<Operation> find_operation(const Repository& repository, const std::string& id);
  /// Durable when it returns.
  void keep_operation(const Operation& operation);
  void forget_operations_before(std::int64_t time);

  /// Deletes for good what was removed before `time`; returns how many objects.
  std::size_t empty_trash_before(std::int64_t time);

  /// A connection for reading.
  DatabasePool::Lease reader() { return readers_.take(); }
  const DataDirectory& directory() const noexcept { return directory_; }

 private:
  Fd open_directory(const RepositoryName& name) const;
  std::optional<std::int64_t> known_id(const RepositoryName& name);
  void remember(const RepositoryName& name, std::int64_t id);
  bool publish(const Repository& repository, Upload& upload, const ChangeGuard& guard,
               const std::function<void(Change&)>& published);
  bool is_identical(const Repository& repository, const format::ObjectName& name,
                    const Sha256Digest& hash, std::uint64_t bytes);
  void acknowledge_again(const Repository& repository, Upload& upload, const ChangeGuard& guard);
  void settle_unfinished();

  const DataDirectory& directory_;
  CommitQueue& queue_;
  SpaceLedger& ledger_;
  const Clock& clock_;
  DatabasePool readers_;
  std::mutex take_in_mutex_;  // one walk at a time; held across it
  std::mutex mutex_;
  std::map<std::string, std::int64_t> ids_;  // guarded by mutex_, as is the next
  std::vector<std::string> unfinished_;      // files in uploads/ whose commit failed
};

}  // namespace vgerfs::server
