// Repair saves what is left, and lets later backups heal what is lost.
#include "repo/maintenance/repair.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "maintenance_world.h"
#include "repo/maintenance/compact.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using ::testing::Contains;
using testing::error_of;
using testing::Files;
using testing::flip;
using testing::largest;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::smallest_pack;
using testing::TestRepository;
using vgerfs::testing::kOverGrace;

class RepairTest : public ::testing::Test, protected MaintenanceWorld {
 protected:
  static RepairResult run(Repository& repository, bool read_data = false, bool dry_run = false) {
    RepairOptions options;
    options.read_data = read_data;
    options.threads = 1;
    return repair(repository, options, dry_run, [](const CheckProgress&) {});
  }
  /// Damages the block of one file; returns its name.
  std::string damage_one_file(const SnapshotId& snapshot) {
    const Files& files = expected.at(snapshot);
    const ChunkId id = repository_->keyring().chunk_id(ChunkKind::data, files.begin()->second);
    const ChunkPlace place = repository_->index().find(id).front();
    flip(test.store(), format::pack_name(place.pack),
         place.block->offset + place.block->stored_bytes / 2);
    return files.begin()->first;
  }
  /// Names of the snapshot's files that cannot be read by a client that knows nothing.
  std::vector<std::string> unreadable(const SnapshotId& snapshot, const std::string& client) {
    const auto reader = open(client);
    std::vector<std::string> lost;
    for (const auto& [name, bytes] : expected.at(snapshot)) {
      const ChunkId id = reader->keyring().chunk_id(ChunkKind::data, bytes);
      if (error_of([&] { reader->reader().get(ChunkKind::data, id); }) != "none") {
        lost.push_back(name);
      }
    }
    return lost;
  }
  bool is_condemned(const format::ObjectName& pack) {
    const FactState facts = open("looker")->index().facts();
    return std::any_of(facts.condemnations.begin(), facts.condemnations.end(),
                       [&](const auto& c) { return format::pack_name(c.pack) == pack; });
  }

  std::unique_ptr<Repository> repository_ = open("client");
};

TEST_F(RepairTest, ALostPackIsHealedByTheSameDataInALaterBackup) {
  const Files files = random_files(1, 5);
  commit(*repository_, files);
  test.store().erase(largest(test.store()));
  const RepairResult result = run(*repository_);
  EXPECT_EQ(result.condemned_packs, 1U);
  EXPECT_TRUE(result.lost_data());
  commit(*repository_, files, "again");
  verify("healed");
  EXPECT_FALSE(run(*repository_).lost_data());
}

TEST_F(RepairTest, WithoutARepairABackupRestsOnWhatIsLost) {
  const Files files = random_files(1, 5);
  const SnapshotId old = commit(*repository_, files);
  test.store().erase(largest(test.store()));
  commit(*repository_, files, "again");
  EXPECT_EQ(unreadable(old, "reader").size(), 5U) << "else the tests here show nothing";
}

TEST_F(RepairTest, LostTreesAreHealedToo) {
  const Files files = random_files(1, 5);
  commit(*repository_, files);
  test.store().erase(smallest_pack(test.store()));
  EXPECT_TRUE(run(*repository_).lost_data());
  commit(*repository_, files, "again");
  verify("healed");
}

TEST_F(RepairTest, WhatIsGoodOfADamagedPackIsStoredAgain) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  const auto pack = largest(test.store());
  const std::string lost = damage_one_file(old);
  const RepairResult result = run(*open("fresh"), true);
  EXPECT_EQ(result.saved_chunks, 4U);
  EXPECT_EQ(result.condemned_packs, 1U);
  EXPECT_TRUE(test.store().find(pack)) << "it is not for a repair to delete it";
  test.store().erase(pack);
  EXPECT_THAT(unreadable(old, "reader"), ::testing::ElementsAre(lost));
}

TEST_F(RepairTest, ASecondRepairStoresNothingAgain) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  damage_one_file(old);
  run(*repository_, true);
  const auto before = count(ObjectType::pack);
  const RepairResult second = run(*repository_, true);
  EXPECT_EQ(second.saved_chunks, 0U);
  EXPECT_EQ(second.condemned_packs, 0U);
  EXPECT_EQ(count(ObjectType::pack), before);
}

TEST_F(RepairTest, CompactDoesNotRescueWhatIsDamaged) {
  const Files files = random_files(1, 5);
  const SnapshotId old = commit(*repository_, files);
  commit(*repository_, random_files(100, 2));
  const auto pack = largest(test.store());
  damage_one_file(old);
  run(*repository_, true);
  clock.advance(kOverGrace);
  const CompactResult waiting = compact(*repository_, {}, false, nullptr, {});
  EXPECT_EQ(waiting.rescued_packs, 0U);
  EXPECT_EQ(waiting.deleted_packs, 0U) << "some of it is needed and nowhere else";
  EXPECT_TRUE(is_condemned(pack));
  EXPECT_THAT(waiting.plan.notes, Contains(::testing::HasSubstr("damaged")));
  commit(*repository_, files, "again");
  clock.advance(kOverGrace);
  EXPECT_EQ(compact(*repository_, {}, false, nullptr, {}).deleted_packs, 1U);
  EXPECT_FALSE(test.store().find(pack));
  verify("healed and compacted");
}

TEST_F(RepairTest, APackThatComesBackFromACopyIsRescued) {
  commit(*repository_, random_files(1, 5));
  const auto before = test.store().copy();
  const auto pack = largest(test.store());
  test.store().erase(pack);
  run(*repository_);
  EXPECT_TRUE(is_condemned(pack));
  test.store().put(pack, before.at(pack));
  clock.advance(kOverGrace);
  EXPECT_EQ(compact(*repository_, {}, false, nullptr, {}).rescued_packs, 1U);
  EXPECT_FALSE(is_condemned(pack));
  verify();
}

TEST_F(RepairTest, WhatIsGoodOfADamagedPackWithoutARecordIsStoredAgain) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  const std::string lost = damage_one_file(old);
  for (const auto& name : test.store().names(ObjectType::index)) test.store().erase(name);
  const RepairResult result = run(*test.open(TestRepository::full_key(), "fresh", true));
  EXPECT_EQ(result.rebuild.unreadable.size(), 1U);
  EXPECT_EQ(result.saved_chunks, 4U);
  EXPECT_THAT(unreadable(old, "reader"), ::testing::ElementsAre(lost));
}

TEST_F(RepairTest, ALostSnapshotIsGoneOnWithout) {
  const SnapshotId lost = commit(*repository_, random_files(1, 2));
  commit(*repository_, random_files(10, 2));
  test.store().erase(format::snapshot_name(lost));
  EXPECT_EQ(error_of([&] { open("careful"); }), "rollback");
  const RepairResult result = run(*test.open(TestRepository::full_key(), "fresh", true));
  EXPECT_THAT(result.plan.lost_snapshots, ::testing::ElementsAre(lost));
  expected.erase(lost);
  verify();
}

TEST_F(RepairTest, ALostSnapshotIsALossOnce) {
  const SnapshotId lost = commit(*repository_, random_files(1, 2));
  commit(*repository_, random_files(10, 2));
  test.store().erase(format::snapshot_name(lost));
  const auto client = test.open(TestRepository::full_key(), "fresh", true);
  EXPECT_TRUE(run(*client, false, true).lost_data()) << "planned";
  EXPECT_TRUE(run(*client).lost_data());
  EXPECT_FALSE(run(*client).lost_data()) << "it counts as deleted";
}

TEST_F(RepairTest, ADamagedSnapshotIsNamedAndLeftAlone) {
  const SnapshotId damaged = commit(*repository_, random_files(1, 2));
  commit(*repository_, random_files(10, 2));
  flip(test.store(), format::snapshot_name(damaged), 100);
  const auto before = test.store().names();
  const RepairResult result = run(*open("fresh"));
  EXPECT_THAT(result.plan.unreadable_snapshots, ::testing::ElementsAre(damaged));
  EXPECT_TRUE(result.lost_data());
  EXPECT_FALSE(result.lost_files()) << "no backup heals it";
  EXPECT_TRUE(result.plan.empty());
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(RepairTest, ADamagedSnapshotThatIsGivenUpIsNoLoss) {
  const SnapshotId damaged = commit(*repository_, random_files(1, 2));
  commit(*repository_, random_files(10, 2));
  flip(test.store(), format::snapshot_name(damaged), 100);
  const auto client = open("fresh");
  EXPECT_EQ(error_of([&] { compact(*client, {}, false, nullptr, {}); }), "corrupt");
  remove(*client, damaged);
  const RepairResult result = run(*client);
  EXPECT_FALSE(result.lost_data());
  EXPECT_TRUE(result.plan.unreadable_snapshots.empty());
  compact(*client, {}, false, nullptr, {});
  verify();
}

TEST_F(RepairTest, ADamagedSnapshotThatIsPutBackIsWhole) {
  const SnapshotId damaged = commit(*repository_, random_files(1, 2));
  const auto name = format::snapshot_name(damaged);
  const auto good = test.store().copy();
  flip(test.store(), name, 100);
  EXPECT_TRUE(run(*open("fresh")).lost_data());
  test.store().erase(name);
  test.store().put(name, good.at(name));
  EXPECT_FALSE(run(*open("another")).lost_data());
  verify();
}

TEST_F(RepairTest, WhatOnlyAnIngestKeyClaimsToHaveSeenIsNoLostSnapshot) {
  commit(*repository_, random_files(1, 2));
  test.add_ingest_slot("host");
  IndexRecord record;
  record.after_snapshots = {SnapshotId{testing::largest(test.store()).id.bytes()}};
  test.open(TestRepository::ingest_key(), "web")->publish_record(std::move(record));
  const RepairResult result = run(*repository_);
  EXPECT_FALSE(repository_->warnings().empty()) << "else it claims nothing";
  EXPECT_TRUE(result.plan.empty());
}

TEST_F(RepairTest, ALostPackThatNothingNeedsIsForgottenByACompaction) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 2));
  const auto pack = largest(test.store());
  test.store().erase(pack);
  run(*repository_);
  remove(*repository_, old);
  clock.advance(kOverGrace);
  compact(*repository_, {}, false, nullptr, {});
  clock.advance(kOverGrace);
  compact(*repository_, {}, false, nullptr, {});
  EXPECT_FALSE(is_condemned(pack));
  EXPECT_TRUE(repository_->index().is_buried(PackId{pack.id.bytes()}));
  verify();
}

TEST_F(RepairTest, ADryRunWritesNothing) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  damage_one_file(old);
  const auto before = test.store().names();
  const RepairResult result = run(*repository_, true, true);
  EXPECT_EQ(result.plan.damaged.size(), 1U);
  EXPECT_TRUE(result.lost_data());
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(RepairTest, AListingThatFailsStopsIt) {
  commit(*repository_, random_files(1, 5));
  test.store().erase(largest(test.store()));
  expect_to_stop_at_failing_listings([&](Repository& client) { run(client); });
}

TEST_F(RepairTest, AHealthyRepositoryIsLeftAlone) {
  commit(*repository_, random_files(1, 5));
  const auto before = test.store().names();
  EXPECT_TRUE(run(*repository_, true).plan.empty());
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(RepairTest, AnIngestKeyCannotRepair) {
  test.add_ingest_slot("host");
  const auto client = test.open(TestRepository::ingest_key(), "web");
  EXPECT_EQ(error_of([&] { run(*client); }), "denied");
}

}  // namespace
}  // namespace vgerfs::repo
