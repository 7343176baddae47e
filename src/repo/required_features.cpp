#include "repo/required_features.h"

#include <algorithm>
#include <optional>
#include <vector>

#include "base/error.h"
#include "repo/leases.h"

namespace vgerfs::repo {
namespace {

/// What live leases leave to this version.
Supported supported_by_leases(Repository& repository) {
  const std::vector<ListedLease> leases = list_leases(repository);
  // By the store's clock, if it has one: it shows at least as much as the newest lease, and that is
  // our own if we took one.
  std::optional<Timestamp> store_now;
  for (const ListedLease& listed : leases) store_now = std::max(store_now, listed.stored_at);
  const Timestamp now = store_now.value_or(repository.options().clock->now());
  Supported all;
  for (const ListedLease& listed : leases) {
    if (is_live(listed, now)) all = all & listed.supported;
  }
  return all;
}

}  // namespace

void require_features(Repository& repository, Work work) {
  const Supported supported = repository.supported() & supported_by_leases(repository);
  if (work == Work::add ? supported.add : supported.maintain) return;
  throw Error{ErrorCode::unsupported,
              fmt::format("{} this repository needs a feature that this version does not know",
                          work == Work::add ? "adding to" : "maintaining"),
              "use a newer version of vgerfs"};
}

}  // namespace vgerfs::repo
