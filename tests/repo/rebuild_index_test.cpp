// Index records that are lost can be made anew from packs; what is dead stays dead, and what others
// are writing is left to them.
#include "repo/maintenance/rebuild_index.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "damage.h"
#include "maintenance_world.h"
#include "repo/maintenance/annotation.h"
#include "repo/maintenance/compact.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::error_of;
using testing::flip;
using testing::largest;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::TestRepository;
using vgerfs::testing::kOverGrace;

class RebuildIndex : public ::testing::Test, protected MaintenanceWorld {
 protected:
  struct Rebuilt {
    RebuildPlan plan;
    RebuildResult result;
  };
  static Rebuilt run(Repository& repository) {
    RebuildOptions options;
    options.threads = 1;
    const auto lease = ExclusiveLease::acquire(repository);
    Rebuilt rebuilt;
    rebuilt.plan = plan_rebuild(repository, *lease, options, {});
    rebuilt.result = execute(rebuilt.plan, repository, *lease, options, nullptr, {});
    return rebuilt;
  }
  /// A client that knows nothing and takes the store as it is.
  std::unique_ptr<Repository> open_after_loss(const std::string& client = "fresh") {
    return test.open(TestRepository::full_key(), client, true);
  }
  void lose_all(ObjectType type) {
    for (const auto& name : test.store().names(type)) test.store().erase(name);
  }
  void damage(const RecordId& id) { flip(test.store(), format::record_name(id), 200); }

  std::unique_ptr<Repository> repository_ = open("client");
};

TEST_F(RebuildIndex, AllRecordsComeBackFromThePacks) {
  commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(3, 9));
  lose_all(ObjectType::index);
  EXPECT_EQ(error_of([&] { open("careful"); }), "rollback");
  const Rebuilt rebuilt = run(*open_after_loss());
  EXPECT_EQ(rebuilt.plan.lost.size(), 2U);
  EXPECT_EQ(rebuilt.result.named_packs, count(ObjectType::pack));
  EXPECT_TRUE(rebuilt.result.unreadable.empty());
  verify("rebuilt");
  EXPECT_TRUE(run(*open("fresh")).plan.empty()) << "once is enough";
}

TEST_F(RebuildIndex, ADamagedRecordIsReplacedAndMaintenanceGoesOn) {
  commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  damage(RecordId{largest(test.store(), ObjectType::index).id.bytes()});
  const auto fresh = open("fresh");
  EXPECT_EQ(error_of([&] { compact(*fresh, {}, true, nullptr, {}); }), "corrupt");
  const Rebuilt rebuilt = run(*fresh);
  ASSERT_EQ(rebuilt.plan.lost.size(), 1U);
  EXPECT_FALSE(rebuilt.plan.lost.front().known);
  EXPECT_EQ(rebuilt.result.named_packs, 2U);
  verify("rebuilt");
  EXPECT_EQ(error_of([&] { compact(*open("other"), {}, true, nullptr, {}); }), "none");
}

TEST_F(RebuildIndex, AClientThatKnewALostRecordSaysAgainWhatItSaid) {
  const SnapshotId held = commit(*repository_, random_files(1, 2));
  const SnapshotId brought_back = commit(*repository_, random_files(10, 2));
  const auto files = expected.at(brought_back);
  const RecordId removal = remove(*repository_, brought_back);
  set_properties(*repository_, {{held, Hold{true}}});
  IndexRecord undo;
  undo.facts.undoes.push_back({removal, {ObjectId{brought_back.bytes()}}});
  damage(repository_->publish_record(std::move(undo)));
  expected[brought_back] = files;
  const Rebuilt rebuilt = run(*repository_);
  ASSERT_EQ(rebuilt.plan.lost.size(), 1U);
  EXPECT_TRUE(rebuilt.plan.lost.front().known);
  EXPECT_TRUE(rebuilt.plan.removed_again.empty());
  verify("a client that knows nothing sees the undo");
}

TEST_F(RebuildIndex, SnapshotsThatALostRecordMayHaveBroughtBackStayForAnotherGraceTime) {
  commit(*repository_, random_files(100, 2));
  const SnapshotId brought_back = commit(*repository_, random_files(1, 2));
  const RecordId removal = remove(*repository_, brought_back);
  IndexRecord undo;
  undo.facts.undoes.push_back({removal, {ObjectId{brought_back.bytes()}}});
  damage(repository_->publish_record(std::move(undo)));
  clock.advance(kOverGrace);
  const auto fresh = open("fresh");
  const Rebuilt rebuilt = run(*fresh);
  EXPECT_THAT(rebuilt.plan.removed_again, ::testing::ElementsAre(brought_back));
  EXPECT_EQ(compact(*fresh, {}, false, nullptr, {}).deleted_snapshots, 0U);
  clock.advance(kOverGrace);
  EXPECT_EQ(compact(*fresh, {}, false, nullptr, {}).deleted_snapshots, 1U);
}

TEST_F(RebuildIndex, ADeadPackNeverComesBackToLife) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  const auto before = test.store().copy();
  remove(*repository_, old);
  clock.advance(kOverGrace);
  compact(*repository_, {}, false, nullptr, {});
  clock.advance(kOverGrace);
  ASSERT_EQ(compact(*repository_, {}, false, nullptr, {}).deleted_packs, 2U);
  for (const auto& [name, object] : before) {
    if (name.type == ObjectType::pack) test.store().put(name, object);
  }
  const Rebuilt rebuilt = run(*repository_);
  EXPECT_EQ(rebuilt.plan.dead_packs, 2U);
  EXPECT_EQ(rebuilt.result.named_packs, 0U);
  verify();
}

TEST_F(RebuildIndex, PacksOfARunningBackupAreLeftToIt) {
  commit(*repository_, random_files(1, 2));
  const auto other = open("other");
  {
    Session session{*other, session_options()};
    put_unnamed(session, other->keyring(), random_files(50, 3));
    const Rebuilt rebuilt = run(*repository_);
    EXPECT_EQ(rebuilt.plan.young_packs, 2U);
    EXPECT_EQ(rebuilt.result.named_packs, 0U);
  }
  const Rebuilt rebuilt = run(*repository_);
  EXPECT_EQ(rebuilt.plan.young_packs, 0U);
  EXPECT_EQ(rebuilt.result.named_packs, 2U) << "its lease is gone";
  verify();
}

TEST_F(RebuildIndex, PacksOfABackupThatBeginsMeanwhileAreLeftToIt) {
  commit(*repository_, random_files(1, 2));
  const auto lease = ExclusiveLease::acquire(*repository_);
  clock.advance(std::chrono::seconds{1});
  const auto other = open("other");
  Session session{*other, session_options()};
  put_unnamed(session, other->keyring(), random_files(50, 3));
  const RebuildPlan plan = plan_rebuild(*repository_, *lease, {}, {});
  EXPECT_EQ(plan.young_packs, 2U);
  EXPECT_TRUE(plan.packs.empty());
}

// Else nothing would say any more that the packs are in use, and compact would delete them.
TEST_F(RebuildIndex, ALostRecordWaitsForPacksThatAreLeftToABackup) {
  commit(*repository_, random_files(1, 2));
  damage(RecordId{test.store().names(ObjectType::index).front().id.bytes()});
  const auto fresh = open("fresh");
  {
    const auto other = open("other");
    const Session session{*other, session_options("other")};
    const Rebuilt rebuilt = run(*fresh);
    EXPECT_EQ(rebuilt.plan.young_packs, 2U);
    EXPECT_TRUE(rebuilt.result.lost_wait);
  }
  EXPECT_EQ(error_of([&] { compact(*open("compactor"), {}, true, nullptr, {}); }), "corrupt");
  const Rebuilt rebuilt = run(*fresh);
  EXPECT_EQ(rebuilt.plan.lost.size(), 1U);
  EXPECT_EQ(rebuilt.result.named_packs, 2U);
  EXPECT_EQ(error_of([&] { compact(*open("another"), {}, true, nullptr, {}); }), "none");
  verify();
}

TEST_F(RebuildIndex, NewBackupsRestOnWhatWasRebuilt) {
  const auto files = random_files(1, 5);
  commit(*repository_, files);
  lose_all(ObjectType::index);
  const auto fresh = open_after_loss();
  run(*fresh);
  const auto before = count(ObjectType::pack);
  commit(*fresh, files, "again");
  EXPECT_EQ(count(ObjectType::pack), before);
  verify();
}

TEST_F(RebuildIndex, APackThatIsNotWholeIsReportedAndTheOthersAreNamed) {
  commit(*repository_, random_files(1, 5));
  const auto damaged = largest(test.store());
  lose_all(ObjectType::index);
  flip(test.store(), damaged, 5000);
  const Rebuilt rebuilt = run(*open_after_loss());
  ASSERT_EQ(rebuilt.result.unreadable.size(), 1U);
  EXPECT_EQ(format::pack_name(rebuilt.result.unreadable.front().first), damaged);
  EXPECT_THAT(rebuilt.result.unreadable.front().second, ::testing::HasSubstr("bytes"));
  EXPECT_EQ(rebuilt.result.named_packs, 1U);
  EXPECT_TRUE(test.store().find(damaged));
  // What is good of it is for a repair to save, before compact may have it.
  EXPECT_TRUE(rebuilt.result.lost_wait);
  EXPECT_EQ(run(*open_after_loss("another")).plan.lost.size(), 1U);
}

// What an ingest author sealed was hashed by the rebuilder, who says so by naming it as his own.
TEST_F(RebuildIndex, WhatAnIngestAuthorSealedIsNamedOnlyIfItIsWhatItClaims) {
  test.add_ingest_slot("host");
  {
    const auto client = test.open(TestRepository::ingest_key(), "web");
    Session session{*client, session_options("web")};
    Bytes sealed;
    const Bytes claimed = testing::random_bytes(1, 1000);
    const Bytes held = testing::random_bytes(2, 1000);
    BlockEntry block = testing::poisoned_block(*client, claimed, held, sealed);
    session.adopt_block(std::move(block), sealed);
    session.checkpoint();
  }
  lose_all(ObjectType::index);
  const auto fresh = open_after_loss();
  const Rebuilt rebuilt = run(*fresh);
  EXPECT_EQ(rebuilt.result.named_packs, 0U);
  ASSERT_EQ(rebuilt.result.unreadable.size(), 1U);
  EXPECT_THAT(rebuilt.result.unreadable.front().second, ::testing::HasSubstr("other content"));
}

TEST_F(RebuildIndex, PlanningWritesNothing) {
  commit(*repository_, random_files(1, 5));
  lose_all(ObjectType::index);
  const auto fresh = open_after_loss();
  const auto before = test.store().names();
  {
    const auto lease = ExclusiveLease::acquire(*fresh);
    const RebuildPlan plan = plan_rebuild(*fresh, *lease, {}, {});
    EXPECT_EQ(plan.packs.size(), 2U);
    EXPECT_EQ(plan.lost.size(), 1U);
  }
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(RebuildIndex, AListingThatFailsStopsIt) {
  commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  damage(RecordId{largest(test.store(), ObjectType::index).id.bytes()});
  expect_to_stop_at_failing_listings([&](Repository& client) { run(client); });
}

TEST_F(RebuildIndex, AStopLeavesTheLostRecordsLost) {
  commit(*repository_, random_files(1, 5));
  lose_all(ObjectType::index);
  const auto fresh = open_after_loss();
  const auto lease = ExclusiveLease::acquire(*fresh);
  const RebuildPlan plan = plan_rebuild(*fresh, *lease, {}, {});
  std::stop_source stop;
  stop.request_stop();
  EXPECT_TRUE(execute(plan, *fresh, *lease, {}, nullptr, stop.get_token()).stopped);
  EXPECT_EQ(plan_rebuild(*fresh, *lease, {}, {}).lost.size(), 1U);
}

TEST_F(RebuildIndex, AnIngestKeyCannotRebuild) {
  test.add_ingest_slot("host");
  const auto client = test.open(TestRepository::ingest_key(), "web");
  EXPECT_EQ(error_of([&] { run(*client); }), "denied");
}

}  // namespace
}  // namespace vgerfs::repo
