// kill -9 before each system call of an upload, a removal, a restoration and a compaction: what was
// acknowledged is there, and directory, database and quota agree after the next start.
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <functional>
#include <memory>

#include <gtest/gtest.h>

#include "backends/in_child.h"
#include "backends/system_faults.h"
#include "compaction_world.h"
#include "server/leases.h"
#include "server/object_store.h"
#include "server/trash.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;
using vgerfs::testing::before_system_call;
using vgerfs::testing::SystemCall;

constexpr int kKilled = 42;

/// The process ends before the nth such call from now, as if it was killed: nothing runs that a
/// process does at its end, a sanitizer's search for leaks among it.
void die_before(SystemCall call, int nth) {
  before_system_call(call, [call, nth] {
    if (nth == 1) ::syscall(SYS_exit_group, kKilled);
    die_before(call, nth - 1);
  });
}

class StoreCrashTest : public ::testing::TestWithParam<SystemCall> {
 protected:
  /// Runs `operation` on a fresh copy of what `prepare` leaves, in a process that dies before the
  /// nth call, for every n; `expect` looks at the result, told whether the operation had returned.
  void sweep(const std::function<void(StoreWorld&)>& prepare,
             const std::function<void(StoreWorld&)>& operation,
             const std::function<void(StoreWorld&, bool acknowledged)>& expect) {
    const vgerfs::testing::TemporaryDirectory top;
    {
      StoreWorld world{top / "prepared"};
      prepare(world);
    }
    constexpr int kMost = 60;
    int died = 0;
    for (int nth = 1; nth <= kMost; ++nth) {
      const std::string path = top / "data";
      std::filesystem::remove_all(path);
      std::filesystem::copy(top / "prepared", path, std::filesystem::copy_options::recursive);
      const int code = vgerfs::testing::run_in_child([&] {
        StoreWorld world{path};
        die_before(GetParam(), nth);
        operation(world);
        ::_exit(0);
      });
      ASSERT_TRUE(code == 0 || code == kKilled) << code;
      StoreWorld world{path};
      SCOPED_TRACE(nth);
      expect(world, code == 0);
      expect_consistent(world);
      if (code == 0) {
        RecordProperty("deaths", died);
        return;
      }
      ++died;
    }
    FAIL() << "more than " << kMost << " calls";
  }

  static void expect_consistent(StoreWorld& world) {
    const Repository repository = world.repository();
    for (const ObjectType type : {ObjectType::pack, ObjectType::lock}) {
      EXPECT_EQ(world.listed(repository, type), world.in_directory(repository, type));
    }
    std::uint64_t bytes = 0;
    std::size_t in_trash = 0;
    for (const ObjectType type : {ObjectType::pack, ObjectType::lock}) {
      for (const auto& [name, size] : world.in_directory(repository, type)) bytes += size;
    }
    EXPECT_EQ(world.ledger->used_by_repository(repository.id), bytes);
    EXPECT_EQ(world.files_in(world.directory.uploads()), 0U);
    world.queue->commit([&](Change& change) { in_trash = change.catalog().trash().size(); });
    EXPECT_EQ(world.files_in(world.directory.trash()), in_trash);
  }
};

TEST_P(StoreCrashTest, Upload) {
  sweep([](StoreWorld& world) { world.repository(); },
        [](StoreWorld& world) { world.put(world.repository(), "some bytes"); },
        [](StoreWorld& world, bool acknowledged) {
          const auto object = world.store->open(world.repository(), object_of("some bytes"));
          EXPECT_TRUE(object || !acknowledged);
          if (object) {
            EXPECT_EQ(object->bytes, 10U) << "visible only whole";
            EXPECT_TRUE(
                world.store->is_own(world.repository(), object_of("some bytes"), world.principal));
          }
        });
}

TEST_P(StoreCrashTest, Removal) {
  sweep(
      [](StoreWorld& world) {
        const Repository repository = world.repository();
        world.put(repository, "some bytes");
        world.put(repository, "a lock", ObjectType::lock);
      },
      [](StoreWorld& world) {
        const Repository repository = world.repository();
        world.store->remove(repository, object_of("some bytes"), world.principal);
        world.store->remove(repository, object_of("a lock", ObjectType::lock), world.principal);
      },
      [](StoreWorld& world, bool acknowledged) {
        const auto object = world.store->open(world.repository(), object_of("some bytes"));
        EXPECT_FALSE(object && acknowledged);
        EXPECT_EQ(world.files_in(world.directory.trash()), object ? 0U : 1U)
            << "here or in the trash, never nowhere";
      });
}

TEST_P(StoreCrashTest, Restoration) {
  sweep(
      [](StoreWorld& world) {
        const Repository repository = world.repository();
        world.put(repository, "some bytes");
        world.store->remove(repository, object_of("some bytes"), world.principal);
      },
      [](StoreWorld& world) {
        world.queue->commit([&](Change& change) {
          const auto rows = change.catalog().trash();
          restore_from_trash(world.directory, change.catalog(), rows.at(0).id, 0);
        });
      },
      [](StoreWorld& world, bool acknowledged) {
        const auto object = world.store->open(world.repository(), object_of("some bytes"));
        EXPECT_TRUE(object || !acknowledged);
        EXPECT_EQ(world.files_in(world.directory.trash()), object ? 0U : 1U)
            << "here or in the trash, never nowhere";
      });
}

WantedLease wanted_lease() {
  const ByteView object = bytes_of("a sealed lease");
  return {.object = {object.begin(), object.end()}, .is_exclusive = true, .ttl_s = 100};
}

std::variant<LeaseRow, LiveLease> acquire(StoreWorld& world, Leases& leases) {
  const Repository repository = world.repository();
  return leases.acquire(
      repository, world.principal, wanted_lease(),
      world.ledger->reserve({repository.id, world.principal.id}, world.limits, 14));
}

TEST_P(StoreCrashTest, Lease) {
  sweep([](StoreWorld& world) { world.repository(); },
        [](StoreWorld& world) {
          Leases leases{*world.store, *world.queue, world.clock};
          acquire(world, leases);
        },
        [](StoreWorld& world, bool acknowledged) {
          Leases leases{*world.store, *world.queue, world.clock};
          const auto object = object_of("a sealed lease", ObjectType::lock);
          const bool is_there = world.store->open(world.repository(), object).has_value();
          EXPECT_TRUE(is_there || !acknowledged);
          const auto live = leases.list(world.repository());
          EXPECT_TRUE(is_there || live.empty()) << "no lease without its object";
          EXPECT_EQ(live.size(), acknowledged ? 1U : live.size());
          // The client that got no answer asks again.
          const auto again = acquire(world, leases);
          ASSERT_TRUE(std::holds_alternative<LeaseRow>(again));
          EXPECT_EQ(leases.list(world.repository()).size(), 1U);
          if (!live.empty()) {
            EXPECT_EQ(std::get<LeaseRow>(again).fence, live[0].row.fence);
          }
        });
}

TEST_P(StoreCrashTest, ReleaseOfALease) {
  sweep(
      [](StoreWorld& world) {
        Leases leases{*world.store, *world.queue, world.clock};
        acquire(world, leases);
      },
      [](StoreWorld& world) {
        Leases leases{*world.store, *world.queue, world.clock};
        const auto object = object_of("a sealed lease", ObjectType::lock);
        leases.release(world.repository(), object.id, world.principal);
      },
      [](StoreWorld& world, bool acknowledged) {
        Leases leases{*world.store, *world.queue, world.clock};
        const auto object = object_of("a sealed lease", ObjectType::lock);
        const bool is_there = world.store->open(world.repository(), object).has_value();
        EXPECT_FALSE(is_there && acknowledged);
        EXPECT_EQ(leases.list(world.repository()).size(), is_there ? 1U : 0U);
      });
}

TEST_P(StoreCrashTest, Compaction) {
  const TestPack one = random_pack(1, {300, 400, 500});
  const TestPack two = random_pack(2, {600, 700});
  const std::string plan =
      plan_of({new_pack_of(test_header(50), {source_of(one, {run_of(one, 0), run_of(one, 2)}),
                                             source_of(two, {run_of(two, 1)})}),
               new_pack_of(test_header(51), {source_of(two, {run_of(two, 0)})})});
  const TestPack made_one = pack_of(test_header(50), {one.block(0), one.block(2), two.block(1)});
  const TestPack made_two = pack_of(test_header(51), {two.block(0)});
  sweep(
      [&](StoreWorld& world) {
        const Repository repository = world.repository();
        for (const TestPack& pack : {one, two}) world.put(repository, text_of(pack.bytes));
      },
      [&](StoreWorld& world) { compact(world, world.repository(), plan); },
      [&](StoreWorld& world, bool acknowledged) {
        const Repository repository = world.repository();
        const std::size_t there = world.in_directory(repository).size();
        EXPECT_TRUE(there == 4 || !acknowledged);
        expect_consistent(world);
        // The client asks again.
        const json answer = json::parse(compact(world, repository, plan).text);
        EXPECT_EQ(answer["packs"][0]["id"], made_one.id().hex());
        EXPECT_EQ(answer["packs"][1]["id"], made_two.id().hex());
        EXPECT_EQ(stored(world, repository, made_one.id()), made_one.bytes);
        EXPECT_EQ(stored(world, repository, made_two.id()), made_two.bytes);
        EXPECT_EQ(stored(world, repository, one.id()), one.bytes);
        EXPECT_EQ(world.in_directory(repository).size(), 4U) << "and nothing else comes to be";
      });
}

INSTANTIATE_TEST_SUITE_P(BeforeEach, StoreCrashTest,
                         ::testing::Values(SystemCall::fsync, SystemCall::fdatasync,
                                           SystemCall::linkat, SystemCall::renameat2,
                                           SystemCall::unlinkat, SystemCall::pwrite));

}  // namespace
}  // namespace vgerfs::server
