// Leases by the server's clock (docs/PROTOCOL.md): who is at work on a repository. Each is an
// object in locks/, so that clients of the directory see it, too; what the server enforces of it
// stands beside that in the database, since it cannot read the object.
//
// A lease ends for ever: it is released, its object is removed, or its ttl has passed since it was
// made or last renewed, by the clock that never jumps. How much had passed when the server stopped
// nobody knows: after a start, each has its whole ttl again. That one is over is written down
// before anybody is told or takes its place.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "server/commit_queue.h"
#include "server/error_reply.h"
#include "server/object_store.h"

namespace vgerfs::server {

struct LeaseRow {
  std::int64_t repository = 0;
  ObjectId id;              ///< of its object
  std::uint64_t fence = 0;  ///< grows with each lease of a repository; no two have the same
  bool is_exclusive = false;
  std::int64_t ttl_s = 0;
  std::int64_t token = 0;
  std::string token_name;
  std::int64_t made_at = 0;  ///< seconds
  bool is_over = false;
};

struct LiveLease {
  LeaseRow row;
  std::int64_t left_s = 0;
};

struct WantedLease {
  Bytes object;
  bool is_exclusive = false;
  std::int64_t ttl_s = 0;
};

/// The lease under which a change was sent is over.
class Fenced final : public HttpError {
 public:
  Fenced() : HttpError(412, "the lease of this change is over", "fenced") {}
};

/// Thread-safe. Blocks for the disk.
class Leases {
 public:
  /// All must outlive it. All leases that are known begin their ttl anew.
  Leases(ObjectStore& store, CommitQueue& queue, const Clock& clock);

  /// The new lease, durable; or who has the exclusive one that was asked for. The same object again
  /// is the same lease. Throws HttpError 410 if that is over, 403 if the object is another's.
  std::variant<LeaseRow, LiveLease> acquire(const Repository& repository,
                                            const Principal& principal, const WantedLease& wanted,
                                            Reservation reservation);
  /// Begins its ttl anew, and sets its object's time. Throws HttpError 410 if it is over, 403 if it
  /// is another's.
  LeaseRow renew(const Repository& repository, const ObjectId& id, const Principal& principal);
  /// nullopt: there is none, or not any more.
  std::optional<LeaseRow> find(const Repository& repository, const ObjectId& id);
  /// Success too if it is over.
  void release(const Repository& repository, const ObjectId& id, const Principal& principal);
  /// Those that are not over.
  std::vector<LiveLease> list(const Repository& repository);
  /// How many are not over, by repository.
  std::map<std::int64_t, std::uint64_t> count();

  /// Runs `work`, which makes one change, with a guard for that change's transaction: it throws
  /// Fenced unless the lease with this fencing number is live then. So does this, before `work`, if
  /// it is over already. nullopt: not under a lease.
  void fenced(const Repository& repository, std::optional<std::uint64_t> fence,
              const std::function<void(const ChangeGuard&)>& work);
  /// Throws Fenced as far as is known now.
  void require_live(const Repository& repository, std::optional<std::uint64_t> fence);

  /// Removes the objects of leases that have been over for a quarter of their ttl, which is when
  /// clients of the directory take them for dead.
  void remove_dead(const Repository& repository);
  void remove_dead();

 private:
  using Key = std::pair<std::int64_t, ObjectId>;

  std::int64_t age_ns(const LeaseRow& row);
  bool is_over(const LeaseRow& row);
  void begin_ttl(const LeaseRow& row);
  /// Writes down which are over.
  void note_ends(Database& database, std::int64_t repository);
  void note_ends(const Repository& repository);
  LeaseRow insert(Change& change, const Repository& repository, const Principal& principal,
                  const ObjectId& id, const WantedLease& wanted);
  void require_live(Change& change, const Repository& repository, std::uint64_t fence);

  ObjectStore& store_;
  CommitQueue& queue_;
  const Clock& clock_;
  std::mutex mutex_;                      // a leaf
  std::map<Key, std::int64_t> begun_ns_;  // guarded by it: when a lease's ttl began, by boot_ns
};

/// The header's number; nullopt if there is none. Throws HttpError 400.
std::optional<std::uint64_t> parse_fence(std::string_view text);

}  // namespace vgerfs::server
