// A session's lease is held only as long as nobody can have taken it for dead.
#include "repo/lease_keeper.h"

#include <condition_variable>
#include <mutex>

#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "base/waiting_clock.h"
#include "repository_fixture.h"

namespace vgerfs::repo {
namespace {

using testing::ManualClock;
using testing::TestRepository;

/// Lets one refresh come when it is due, and none after it.
class OneRefreshClock final : public WaitingClock {
 public:
  Timestamp now() const override { return time.now(); }
  std::int64_t boot_ns() const override { return time.boot_ns(); }
  bool wait(std::chrono::nanoseconds duration, const std::stop_token& stop) const override {
    std::unique_lock lock{mutex_};
    if (++waits_ == 1) {
      time.advance(duration);
      return true;
    }
    refreshed_.notify_all();
    std::condition_variable_any never;
    never.wait(lock, stop, [] { return false; });
    return false;
  }
  void wait_until_refreshed() const {
    std::unique_lock lock{mutex_};
    refreshed_.wait(lock, [&] { return waits_ == 2; });
  }

  mutable ManualClock time;

 private:
  mutable std::mutex mutex_;
  mutable std::condition_variable_any refreshed_;
  mutable int waits_ = 0;  // guarded by mutex_
};

/// A store whose second barrier takes long.
class SlowBackend final : public backends::ForwardingBackend {
 public:
  SlowBackend(backends::Backend& inner, const OneRefreshClock& clock, std::chrono::minutes takes)
      : ForwardingBackend(inner), clock_(clock), takes_(takes) {}
  void barrier() override {
    if (++barriers_ == 2) clock_.time.advance(takes_);
    ForwardingBackend::barrier();
  }

 private:
  const OneRefreshClock& clock_;
  const std::chrono::minutes takes_;
  int barriers_ = 0;
};

bool held_after_refresh(std::chrono::minutes takes) {
  TestRepository test;
  const OneRefreshClock clock;
  testing::MemoryBackend memory{test.shared_store()};
  OpenOptions options;
  options.directories = {.cache = test.directory() + "/client/cache",
                         .state = test.directory() + "/client/state"};
  options.host = "host";
  options.clock = &clock;
  const auto repository = Repository::open(std::make_shared<SlowBackend>(memory, clock, takes),
                                           TestRepository::full_key(), options);
  const LeaseKeeper keeper{*repository, new_lease(*repository, LeaseKind::shared, {}, "host")};
  clock.wait_until_refreshed();
  return keeper.held();
}

TEST(LeaseKeeper, ARefreshInTimeKeepsTheLease) {
  EXPECT_TRUE(held_after_refresh(std::chrono::minutes{1}));
}

TEST(LeaseKeeper, ARefreshThatWasSeenTooLateHasLostIt) {
  // It began in time, after twenty minutes; nobody saw it before the old lease was over.
  EXPECT_FALSE(held_after_refresh(std::chrono::minutes{50}));
}

}  // namespace
}  // namespace vgerfs::repo
