#include "repo/lease_keeper.h"

#include <chrono>
#include <utility>

#include "base/log.h"
#include "base/thread.h"

namespace vgerfs::repo {

LeaseKeeper::LeaseKeeper(backends::Backend& backend, const Keyring& keyring, crypto::Cipher cipher,
                         crypto::Random& random, const Clock& clock, Lease lease)
    : backend_(backend),
      keyring_(keyring),
      cipher_(cipher),
      random_(random),
      clock_(clock),
      lease_(std::move(lease)) {
  lease_.created_s = clock_.now().s;
  publish();
  thread_ =
      start_thread("vgerfs-lease", [this](const std::stop_token& stop) { refresh_loop(stop); });
}

LeaseKeeper::~LeaseKeeper() {
  thread_.request_stop();
  thread_.join();
  try {
    if (current_) backend_.remove(*current_);
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

void LeaseKeeper::publish() {
  const std::int64_t begun_ns = clock_.boot_ns();
  lease_.refreshed_s = clock_.now().s;
  ++lease_.sequence;
  const auto name = backends::write_object(backend_, format::ObjectType::lock,
                                           seal_lease(lease_, keyring_, cipher_, random_));
  backend_.barrier();
  const std::optional<format::ObjectName> old = std::exchange(current_, name);
  {
    const std::lock_guard lock{mutex_};
    // A lease that lapsed once stays lapsed: maintenance may have acted in the gap.
    if (last_refresh_ns_ != 0 &&
        begun_ns - last_refresh_ns_ >= std::int64_t{lease_.ttl_s} * 1'000'000'000) {
      lapsed_ = true;
    }
    last_refresh_ns_ = begun_ns;
  }
  if (old) backend_.remove(*old);
}

void LeaseKeeper::refresh_loop(const std::stop_token& stop) {
  const auto interval = std::chrono::seconds(lease_.ttl_s / 3);
  const auto retry = std::chrono::seconds(30);
  auto pause = interval;
  for (;;) {
    {
      std::unique_lock lock{mutex_};
      changed_.wait_for(lock, stop, pause, [] { return false; });
      if (stop.stop_requested()) return;
    }
    try {
      publish();
      pause = interval;
    } catch (const std::exception& error) {
      log::warning("the session's lease could not be refreshed: {}", error.what());
      pause = std::min<std::chrono::seconds>(retry, interval);
    }
  }
}

}  // namespace vgerfs::repo
