#include "repo/maintenance/exclusive_lease.h"

#include "base/error.h"
#include "base/log.h"
#include "repo/maintenance/first_seen.h"
#include "repo/maintenance/maintainer.h"

namespace vgerfs::repo {

ExclusiveLease::ExclusiveLease(Repository& repository, const SessionId& id)
    : id_(id),
      keeper_(repository, new_lease(repository, LeaseKind::exclusive, id, default_host())) {}

std::unique_ptr<ExclusiveLease> ExclusiveLease::acquire(Repository& repository) {
  require_maintainer(repository);
  const auto id = crypto::random_array<sizeof(SessionId)>(*repository.options().random);
  std::unique_ptr<ExclusiveLease> made{new ExclusiveLease{repository, id}};
  const std::vector<ListedLease> leases = list_dated_leases(repository);
  made->store_now_ = repository.options().clock->now();
  for (const ListedLease& listed : leases) {
    if (listed.lease && listed.lease->session == id && listed.stored_at) {
      made->store_now_ = *listed.stored_at;
    }
  }
  for (const ListedLease& listed : leases) {
    if (listed.lease && listed.lease->session == id) continue;
    if (!is_live(listed, made->store_now_)) {
      log::info("removing an expired lease: {}", describe(listed));
      repository.backend().remove(format::lease_name(listed.id));
    } else if (listed.lease && listed.lease->kind == LeaseKind::exclusive) {
      // Both of two that meet give way: that costs a retry.
      throw Error{ErrorCode::busy, "another maintenance run is at work: " + describe(listed),
                  "wait until it ends; if it is dead, `vgerfs-admin lock break` removes its lease"};
    } else {
      made->sessions_.push_back(listed);
    }
  }
  repository.refresh();
  require_maintainer(repository);
  return made;
}

void ExclusiveLease::require_held() const {
  if (held()) return;
  throw Error{ErrorCode::busy, "the maintenance run's lease has lapsed: others may be at work",
              "run it again: it goes on where it stopped"};
}

}  // namespace vgerfs::repo
