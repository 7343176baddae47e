// Compaction of a store that shows no times: what this client saw first counts.
#include "repo/maintenance/first_seen.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "maintenance_world.h"
#include "repo/maintenance/compact.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::random_files;
using vgerfs::testing::kOverGrace;

class StoreWithoutTimes : public ::testing::Test, protected testing::MaintenanceWorld {
 protected:
  StoreWithoutTimes() : MaintenanceWorld(Store::shows_no_times) {
    const SnapshotId old = commit(*open("client"), random_files(1, 5));
    commit(*open("client"), random_files(100, 5));
    remove(*open("client"), old);
  }
  CompactResult run(bool dry_run = false) {
    CompactOptions options;
    options.threads = 1;
    return compact(*open("maintainer"), options, dry_run, nullptr, {});
  }
};

TEST_F(StoreWithoutTimes, CompactionCountsFromWhenItSawSomethingFirst) {
  clock.advance(kOverGrace);
  EXPECT_EQ(run().condemned_packs, 0U) << "it was not seen before";
  clock.advance(kOverGrace);
  EXPECT_EQ(run().condemned_packs, 2U) << "one of data, one of metadata";
  EXPECT_EQ(run().deleted_packs, 0U) << "the condemnation is young";
  clock.advance(kOverGrace);
  EXPECT_EQ(run().deleted_packs, 2U);
  verify();
}

TEST_F(StoreWithoutTimes, AClientThatLostItsMemoryWaitsAgain) {
  run();
  clock.advance(kOverGrace);
  for (const auto& each : std::filesystem::recursive_directory_iterator{test.directory()}) {
    if (each.path().filename() == "first_seen.sqlite") std::filesystem::remove(each.path());
  }
  EXPECT_EQ(run().condemned_packs, 0U);
  clock.advance(kOverGrace);
  EXPECT_EQ(run().condemned_packs, 2U);
}

TEST_F(StoreWithoutTimes, AClockThatWasWrongMakesNothingOld) {
  const Timestamp right = clock.now();
  clock.set({1000, 0});
  run(true);
  clock.set(right);
  EXPECT_EQ(run().condemned_packs, 0U) << "it was seen long before it was written";
  clock.set({right.s + 1'000'000'000, 0});
  const auto later = open("maintainer");
  note_first_seen(*later, ObjectType::snapshot, {ObjectId{}});
  clock.set(right);
  EXPECT_EQ(note_first_seen(*later, ObjectType::snapshot, {ObjectId{}}).at(ObjectId{}), right.s)
      << "a time that has not come";
}

TEST_F(StoreWithoutTimes, ALeaseThatClaimsTheFutureExpires) {
  const Timestamp now = clock.now();
  const auto other = open("other");
  clock.set({now.s + 1'000'000'000, 0});
  const Session session{*other, session_options("etc")};
  clock.set(now);
  std::size_t deleted = 0;
  for (int i = 0; i < 4; ++i) {
    deleted += run().deleted_packs;
    clock.advance(kOverGrace);
  }
  EXPECT_EQ(deleted, 2U);
}

TEST_F(StoreWithoutTimes, PacksThatNoRecordNamesAreDeletedInTheirTime) {
  {
    const auto other = open("other");
    Session session{*other, session_options("etc")};
    put_unnamed(session, other->keyring(), random_files(50, 3));
  }
  clock.advance(kOverGrace);
  EXPECT_EQ(run(true).plan.orphans.size(), 0U) << "they were not seen before";
  clock.advance(kOverGrace);
  EXPECT_EQ(run(true).plan.orphans.size(), 2U);
}

}  // namespace
}  // namespace vgerfs::repo
