#include "repo/lease_keeper.h"

#include <unistd.h>

#include <chrono>
#include <set>
#include <utility>

#include "backends/store_services.h"
#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "base/waiting_clock.h"
#include "repo/program_name.h"

namespace vgerfs::repo {

namespace {

constexpr std::uint32_t kTtl_s = 3600;
// So many ids fit into a lease for certain. Naming fewer than are known only delays maintenance.
constexpr std::size_t kMaxCondemnations = 1500;

}  // namespace

Lease new_lease(Repository& repository, LeaseKind kind, const SessionId& session,
                std::string_view host) {
  Lease lease;
  lease.kind = kind;
  lease.session = session;
  lease.host = host;
  lease.program = kProgramName;
  lease.pid = static_cast<std::uint64_t>(::getpid());
  lease.ttl_s = kTtl_s;
  std::set<RecordId> known;
  for (const Condemnation& condemnation : repository.index().facts().condemnations) {
    known.insert(condemnation.origin.value());
    if (known.size() == kMaxCondemnations) break;
  }
  lease.condemnations.assign(known.begin(), known.end());
  return lease;
}

LeaseKeeper::LeaseKeeper(Repository& repository, Lease lease)
    : repository_(repository), clock_(*repository.options().clock), lease_(std::move(lease)) {
  lease_.created_s = clock_.now().s;
  if (!acquire()) publish();
  thread_ =
      start_thread("vgerfs-lease", [this](const std::stop_token& stop) { refresh_loop(stop); });
}

LeaseKeeper::~LeaseKeeper() {
  thread_.request_stop();
  thread_.join();
  try {
    if (kept_ && !kept_->is_over()) kept_->release();
    if (current_) repository_.backend().remove(*current_);
  } catch (const std::exception& error) {
    // It expires by itself; until then maintenance is careful for nothing.
    log::warning("the session's lease could not be removed: {}", error.what());
  }
}

bool LeaseKeeper::held() const {
  const std::lock_guard lock{mutex_};
  return !lapsed_ &&
         clock_.boot_ns() - last_refresh_ns_ < std::int64_t{lease_.ttl_s} * 1'000'000'000;
}

backends::Backend& LeaseKeeper::backend() noexcept {
  return kept_ ? kept_->backend() : repository_.backend();
}

void LeaseKeeper::require_accepted() const {
  if (!is_over()) return;
  throw Error{ErrorCode::busy,
              "the lease of this run is over, others may be at work: the store takes nothing from "
              "it any more",
              "this machine may have slept, or lost its network; run it again: it goes on where it "
              "stopped"};
}

bool LeaseKeeper::acquire() {
  backends::StoreServices* const services = repository_.backend().services();
  if (services == nullptr) return false;
  const std::int64_t begun_ns = clock_.boot_ns();
  lease_.refreshed_s = clock_.now().s;
  ++lease_.sequence;
  const Bytes sealed = seal_lease(lease_, repository_.keyring(), repository_.cipher(),
                                  *repository_.options().random);
  kept_ = services->acquire_lease({.object = sealed,
                                   .is_exclusive = lease_.kind == LeaseKind::exclusive,
                                   .ttl_s = lease_.ttl_s});
  if (!kept_) return false;
  lease_.ttl_s = kept_->ttl_s();
  last_refresh_ns_ = begun_ns;
  return true;
}

void LeaseKeeper::refresh() {
  if (!kept_) return publish();
  // From when it was sent: when the store renewed it, it can only have been later.
  const std::int64_t begun_ns = clock_.boot_ns();
  const bool is_live = kept_->renew();
  const std::lock_guard lock{mutex_};
  if (is_live) {
    last_refresh_ns_ = begun_ns;
  } else {
    lapsed_ = true;
  }
}

void LeaseKeeper::publish() {
  const std::int64_t begun_ns = clock_.boot_ns();
  lease_.refreshed_s = clock_.now().s;
  ++lease_.sequence;
  backends::Backend& backend = repository_.backend();
  const auto name =
      backends::write_object(backend, format::ObjectType::lock,
                             seal_lease(lease_, repository_.keyring(), repository_.cipher(),
                                        *repository_.options().random));
  try {
    backend.barrier();
  } catch (...) {
    // The next try writes another one. A store that lost this one would go on failing for its sake.
    try {
      backend.remove(name);
    } catch (const std::exception& error) {
      log::warning("a lease that could not be made durable stays: {}", error.what());
    }
    throw;
  }
  const std::optional<format::ObjectName> old = std::exchange(current_, name);
  {
    const std::lock_guard lock{mutex_};
    // Until now others saw the old one alone. A lease that lapsed once stays lapsed: maintenance
    // may have acted in the gap.
    if (last_refresh_ns_ != 0 &&
        clock_.boot_ns() - last_refresh_ns_ >= std::int64_t{lease_.ttl_s} * 1'000'000'000) {
      lapsed_ = true;
    }
    last_refresh_ns_ = begun_ns;
  }
  if (old) backend.remove(*old);
}

void LeaseKeeper::refresh_loop(const std::stop_token& stop) {
  const auto interval = std::chrono::milliseconds(std::int64_t{lease_.ttl_s} * 1000 / 3);
  const auto retry = std::chrono::seconds(30);
  std::chrono::milliseconds pause = interval;
  for (;;) {
    if (!wait(clock_, pause, stop)) return;
    try {
      refresh();
      pause = interval;
    } catch (const std::exception& error) {
      log::warning("the session's lease could not be refreshed: {}", error.what());
      pause = std::min<std::chrono::milliseconds>(retry, interval);
    }
    if (is_over()) {
      log::warning("the session's lease is over");
      return;
    }
  }
}

}  // namespace vgerfs::repo
