// Who is at work on a repository: the leases in its store (docs/FORMAT.md section 12).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/clock.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace vgerfs::repo {

struct ListedLease {
  LeaseId id;
  std::optional<Timestamp> stored_at;  ///< by the store's clock, where it has one
  std::optional<Lease> lease;          ///< nullopt: it cannot be opened
  std::string reason;                  ///< then: why
  Supported supported;                 ///< what it leaves to this client, then too
};

/// A lease claims at most so long a ttl, and one that cannot be opened counts so long.
inline constexpr std::uint32_t kMaxLeaseTtl_s = 24 * 60 * 60;

/// All of the store, the newest of each session. Throws if the listing is not complete.
std::vector<ListedLease> list_leases(Repository& repository);

/// Whether its holder may still be at work at `now`, a time of the same clock as `stored_at`. A
/// quarter of the ttl is added: clocks differ, and refreshes take time. Without a time of the store
/// what the holder wrote counts.
bool is_live(const ListedLease& listed, Timestamp now);

/// For people: "backup of web1, process 4711, since …".
std::string describe(const ListedLease& listed);

}  // namespace vgerfs::repo
