// A session's lease is held only as long as nobody can have taken it for dead.
#include "repo/lease_keeper.h"

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <semaphore>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "backends/store_services.h"
#include "base/error.h"
#include "base/waiting_clock.h"
#include "maintenance_world.h"
#include "repo/leases.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/publish_record.h"
#include "repo/session.h"
#include "repository_fixture.h"
#include "support/error_of.h"

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

/// A server as far as leases go: one is over when the test says so.
class LeaseServer final : public backends::ForwardingBackend, private backends::StoreServices {
 public:
  using ForwardingBackend::ForwardingBackend;

  backends::StoreServices* services() noexcept override { return this; }

  std::uint32_t most_ttl_s = 3600;
  bool keeps_leases = true;
  bool has_another = false;  ///< somebody else holds the exclusive one
  std::function<void()> while_renewing = [] {};
  std::atomic<bool> are_over = false;  ///< all that were given
  std::atomic<bool> is_away = false;
  std::atomic<int> given = 0;
  std::atomic<int> renewals = 0;
  std::atomic<int> released = 0;
  std::vector<Bytes> objects;
  std::vector<bool> exclusive;
  std::atomic<int> outside = 0;  ///< changes under no lease, but of leases that are objects

  void write(const format::ObjectName& name, ByteView bytes) override {
    outside += name.type != format::ObjectType::lock;
    ForwardingBackend::write(name, bytes);
  }
  void remove(const format::ObjectName& name) override {
    outside += name.type != format::ObjectType::lock;
    ForwardingBackend::remove(name);
  }

  std::optional<backends::StoreHistory> history(const std::optional<format::ChainHead>&) override {
    return std::nullopt;
  }

 private:
  class Given final : public backends::StoreLease, private backends::ForwardingBackend {
   public:
    Given(LeaseServer& server, std::uint32_t ttl_s)
        : ForwardingBackend(server.inner()), server_(server), ttl_s_(ttl_s) {}
    std::uint32_t ttl_s() const noexcept override { return ttl_s_; }
    backends::Backend& backend() noexcept override { return *this; }
    bool is_over() const noexcept override { return told_; }
    bool renew() override {
      ++server_.renewals;
      server_.while_renewing();
      if (server_.is_away) throw Error{ErrorCode::unavailable, "the server is away"};
      told_ = told_ || server_.are_over;
      return !told_;
    }
    void release() override { ++server_.released; }

   private:
    void write(const format::ObjectName& name, ByteView bytes) override {
      require_live();
      ForwardingBackend::write(name, bytes);
    }
    void barrier() override {
      require_live();
      ForwardingBackend::barrier();
    }
    void remove(const format::ObjectName& name) override {
      require_live();
      ForwardingBackend::remove(name);
    }
    void require_live() {
      if (!server_.are_over) return;
      told_ = true;
      throw Error{ErrorCode::busy, "fenced"};
    }

    LeaseServer& server_;
    const std::uint32_t ttl_s_;
    std::atomic<bool> told_ = false;
  };

  std::unique_ptr<backends::StoreLease> acquire_lease(
      const backends::WantedLease& wanted) override {
    if (!keeps_leases) return nullptr;
    if (wanted.is_exclusive && has_another) throw Error{ErrorCode::busy, "another one is live"};
    ++given;
    objects.emplace_back(wanted.object.begin(), wanted.object.end());
    exclusive.push_back(wanted.is_exclusive);
    return std::make_unique<Given>(*this, std::min(wanted.ttl_s, most_ttl_s));
  }
};

class LeaseOfAServer : public ::testing::Test {
 protected:
  std::unique_ptr<Repository> open(const Clock& clock) {
    OpenOptions options;
    options.directories = {.cache = test_.directory() + "/client/cache",
                           .state = test_.directory() + "/client/state"};
    options.host = "host";
    options.clock = &clock;
    // Not owned: it lives as long as the test.
    const std::shared_ptr<backends::Backend> backend{std::shared_ptr<void>{}, &server_};
    return Repository::open(backend, TestRepository::full_key(), options);
  }
  std::size_t objects(format::ObjectType type) {
    std::size_t count = 0;
    memory_.list(type, [&](const backends::ObjectInfo&) { ++count; });
    return count;
  }
  static Lease shared(Repository& repository) {
    return new_lease(repository, LeaseKind::shared, {}, "host");
  }

  TestRepository test_;
  testing::MemoryBackend memory_{test_.shared_store()};
  LeaseServer server_{memory_};
  ManualClock clock_;
};

TEST_F(LeaseOfAServer, IsAskedForWithTheSealedObjectAndGivenBack) {
  const auto repository = open(clock_);
  {
    const LeaseKeeper keeper{*repository, shared(*repository)};
    EXPECT_TRUE(keeper.held());
    EXPECT_EQ(objects(format::ObjectType::lock), 0U) << "the server writes it";
    ASSERT_EQ(server_.objects.size(), 1U);
    EXPECT_FALSE(server_.exclusive[0]);
    const Lease sealed = open_lease(server_.objects[0], repository->keyring());
    EXPECT_EQ(sealed.host, "host");
    EXPECT_EQ(sealed.ttl_s, 3600U);
    EXPECT_EQ(server_.released, 0);
  }
  EXPECT_EQ(server_.released, 1);
}

TEST_F(LeaseOfAServer, IsAnObjectWhereTheServerKeepsNone) {
  server_.keeps_leases = false;
  const auto repository = open(clock_);
  {
    const LeaseKeeper keeper{*repository, shared(*repository)};
    EXPECT_TRUE(keeper.held());
    EXPECT_EQ(objects(format::ObjectType::lock), 1U);
    EXPECT_EQ(list_leases(*repository).at(0).lease->host, "host");
  }
  EXPECT_EQ(objects(format::ObjectType::lock), 0U);
}

TEST_F(LeaseOfAServer, IsHeldAsLongAsItWasGivenFor) {
  server_.most_ttl_s = 100;
  const auto repository = open(clock_);
  const LeaseKeeper keeper{*repository, shared(*repository)};
  clock_.advance(std::chrono::seconds{99});
  EXPECT_TRUE(keeper.held());
  clock_.advance(std::chrono::seconds{1});
  EXPECT_FALSE(keeper.held());
}

TEST_F(LeaseOfAServer, IsHeldFromWhenItsRenewalWasSent) {
  const OneRefreshClock clock;
  server_.while_renewing = [&] { clock.time.advance(std::chrono::minutes{30}); };
  const auto repository = open(clock);
  const LeaseKeeper keeper{*repository, shared(*repository)};
  clock.wait_until_refreshed();
  ASSERT_EQ(server_.renewals, 1);
  clock.time.advance(std::chrono::minutes{29});
  EXPECT_TRUE(keeper.held());
  clock.time.advance(std::chrono::minutes{1});
  EXPECT_FALSE(keeper.held()) << "the answer took half an hour, and the ttl is one";
}

TEST_F(LeaseOfAServer, IsOverWhenTheServerSaysSo) {
  const auto repository = open(clock_);
  {
    LeaseKeeper keeper{*repository, shared(*repository)};
    server_.are_over = true;
    EXPECT_EQ(testing::error_of([&] { keeper.backend().barrier(); }), "busy");
    EXPECT_TRUE(keeper.is_over());
    const Error error = testing::thrown_by([&] { keeper.require_accepted(); });
    EXPECT_EQ(error.code(), ErrorCode::busy);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_EQ(server_.released, 0) << "there is nothing to give back";
}

TEST_F(LeaseOfAServer, ARefusedRenewalEndsIt) {
  std::binary_semaphore renewed{0};
  server_.are_over = true;
  server_.while_renewing = [&] { renewed.release(); };
  const OneRefreshClock clock;
  const auto repository = open(clock);
  const LeaseKeeper keeper{*repository, shared(*repository)};
  renewed.acquire();
  while (keeper.held()) std::this_thread::yield();
  EXPECT_TRUE(keeper.is_over());
  EXPECT_EQ(server_.renewals, 1);
}

TEST_F(LeaseOfAServer, AServerThatIsAwayDoesNotEndItBeforeItsTime) {
  const OneRefreshClock clock;
  server_.is_away = true;
  const auto repository = open(clock);
  const LeaseKeeper keeper{*repository, shared(*repository)};
  clock.wait_until_refreshed();
  EXPECT_TRUE(keeper.held());
  EXPECT_FALSE(keeper.is_over());
  clock.time.advance(std::chrono::minutes{40});
  EXPECT_FALSE(keeper.held());
  EXPECT_FALSE(keeper.is_over()) << "the server decides that";
}

TEST_F(LeaseOfAServer, AnotherExclusiveOneIsBusy) {
  server_.has_another = true;
  const auto repository = open(clock_);
  EXPECT_EQ(testing::error_of([&] { ExclusiveLease::acquire(*repository); }), "busy");
  EXPECT_EQ(server_.given, 0);
}

TEST_F(LeaseOfAServer, ASessionWhoseLeaseIsOverPublishesNothing) {
  const auto repository = open(clock_);
  Session session{*repository, {.host = "host", .source = "source"}};
  session.put_chunk(ChunkKind::data, bytes_of("some content of a file"));
  server_.are_over = true;
  const auto packs = objects(format::ObjectType::pack);
  EXPECT_EQ(testing::error_of([&] { session.checkpoint(); }), "busy");
  EXPECT_TRUE(session.is_over()) << "a mount or a backup begins another one";
  EXPECT_EQ(testing::error_of([&] { session.commit({}); }), "busy");
  EXPECT_EQ(testing::error_of([&] { session.put_chunk(ChunkKind::data, bytes_of("more")); }),
            "busy");
  EXPECT_EQ(objects(format::ObjectType::pack), packs);
  EXPECT_EQ(objects(format::ObjectType::index), 0U);
  EXPECT_EQ(objects(format::ObjectType::snapshot), 0U);
}

TEST_F(LeaseOfAServer, WhatMaintenanceChangesIsUnderItsLease) {
  const auto repository = open(clock_);
  const auto lease = ExclusiveLease::acquire(*repository);
  ASSERT_EQ(server_.exclusive, std::vector<bool>{true});
  const auto object = backends::write_object(memory_, format::ObjectType::index, bytes_of("x"));
  memory_.barrier();
  server_.are_over = true;
  EXPECT_EQ(testing::error_of([&] { lease->backend().remove(object); }), "busy");
  EXPECT_EQ(testing::error_of([&] { publish_record(*repository, {}, lease->backend()); }), "busy");
  EXPECT_EQ(objects(format::ObjectType::index), 1U);
}

TEST(LeaseOfAServerAtWork, SessionsAndCompactionsChangeEverythingUnderTheirLeases) {
  testing::MaintenanceWorld world;
  testing::MemoryBackend memory{world.test.shared_store()};
  LeaseServer server{memory};
  OpenOptions options;
  options.directories = {.cache = world.test.directory() + "/over the server/cache",
                         .state = world.test.directory() + "/over the server/state"};
  options.host = "host";
  options.clock = &world.clock;
  const std::shared_ptr<backends::Backend> backend{std::shared_ptr<void>{}, &server};
  const auto repository = Repository::open(backend, TestRepository::full_key(), options);
  testing::Files files = testing::random_files(1, 6);
  const SnapshotId old = world.commit(*repository, files);
  files.erase("file1");
  files.erase("file2");
  world.commit(*repository, files);
  // So many small records are merged.
  for (std::uint64_t i = 0; i < 20; ++i) {
    world.commit(*repository, testing::random_files(1000 + 10 * i, 1, 5000));
  }
  EXPECT_EQ(server.given, 22);
  EXPECT_EQ(server.released, 22);
  EXPECT_EQ(server.outside, 0);

  world.remove(*world.open("another"), old);
  CompactResult done;
  for (int i = 0; i < 4; ++i) {
    world.clock.advance(std::chrono::hours{25});
    const CompactResult result =
        compact(*repository, {.threads = 1}, false, nullptr, std::stop_token{});
    done.moved_packs += result.moved_packs;
    done.deleted_packs += result.deleted_packs;
    done.deleted_snapshots += result.deleted_snapshots;
    done.deleted_records += result.deleted_records;
    done.merged_records += result.merged_records;
  }
  EXPECT_GT(done.moved_packs, 0U);
  EXPECT_GT(done.deleted_packs, 0U);
  EXPECT_GT(done.deleted_snapshots, 0U);
  EXPECT_GT(done.deleted_records, 0U);
  EXPECT_GT(done.merged_records, 0U);
  EXPECT_EQ(server.outside, 0);
  world.verify("compacted over a server");
}

}  // namespace
}  // namespace vgerfs::repo
