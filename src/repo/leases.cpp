#include "repo/leases.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "repo/limits.h"

namespace vgerfs::repo {

namespace {

constexpr int kAttempts = 20;

/// nullopt: a lease went away between the listing and its reading. Its session may have ended, or
/// have written another that this listing does not have.
std::optional<std::vector<ListedLease>> list_once(Repository& repository) {
  std::vector<backends::ObjectInfo> objects;
  repository.backend().list(format::ObjectType::lock,
                            [&](const backends::ObjectInfo& info) { objects.push_back(info); });
  std::vector<ListedLease> listed;
  std::map<SessionId, std::size_t> by_session;
  for (const backends::ObjectInfo& info : objects) {
    ListedLease found{LeaseId{info.name.id.bytes()}, info.stored_at, {}, {}, {}};
    try {
      found.lease =
          open_lease(backends::read_object(repository.backend(), info.name, kMaxLeaseBytes),
                     repository.keyring());
    } catch (const Error& error) {
      if (error.code() == ErrorCode::not_found) return std::nullopt;
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::unsupported) throw;
      found.reason = error.what();
      found.supported = supported_despite(error);
    }
    if (found.lease) {
      found.supported = found.lease->supported;
      // While it is refreshed the old and the new one are there.
      const auto [at, added] = by_session.try_emplace(found.lease->session, listed.size());
      if (!added) {
        ListedLease& other = listed[at->second];
        if (other.lease->sequence < found.lease->sequence) other = std::move(found);
        continue;
      }
    }
    listed.push_back(std::move(found));
  }
  return listed;
}

}  // namespace

std::vector<ListedLease> list_leases(Repository& repository) {
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    if (auto listed = list_once(repository)) return *std::move(listed);
  }
  throw Error{ErrorCode::unavailable, "the leases change faster than they can be read",
              "try again later"};
}

bool is_live(const ListedLease& listed, Timestamp now) {
  std::int64_t ttl_s = kMaxLeaseTtl_s;
  if (listed.lease) ttl_s = std::min(listed.lease->ttl_s, kMaxLeaseTtl_s);
  std::int64_t from_s = now.s;
  if (listed.stored_at) {
    from_s = listed.stored_at->s;
  } else if (listed.lease) {
    from_s = listed.lease->refreshed_s;
  }
  return now.s - from_s <= ttl_s + ttl_s / 4;
}

std::string describe(const ListedLease& listed) {
  if (!listed.lease) {
    return fmt::format("lease {} that cannot be opened ({})", listed.id.short_hex(), listed.reason);
  }
  const Lease& lease = *listed.lease;
  return fmt::format("{} of {} (process {}, key '{}') since {}",
                     lease.kind == LeaseKind::exclusive ? "maintenance" : "a session", lease.host,
                     lease.pid, lease.author.label, iso_time({lease.created_s, 0}));
}

}  // namespace vgerfs::repo
