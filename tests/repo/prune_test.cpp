#include "repo/maintenance/prune.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "index_examples.h"
#include "maintenance_world.h"
#include "repo/maintenance/annotation.h"
#include "repo/maintenance/removal.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using ::testing::IsEmpty;
using testing::MaintenanceWorld;
using testing::random_files;
using ::testing::SizeIs;

constexpr std::int64_t kDay = 24 * 3600;
constexpr Timestamp kNow{1'795'216'205, 0};

RetentionRules last(std::uint32_t count) {
  RetentionRules rules;
  rules.last = count;
  return rules;
}

/// Snapshots of several lines; `days` before now.
class List {
 public:
  SnapshotId add(int days, const std::string& host, const std::string& source,
                 bool belongs_to_line = true) {
    Snapshot snapshot;
    snapshot.id = examples::make_id<SnapshotId>("snapshot", list.snapshots.size());
    snapshot.author.role = Role::full;
    snapshot.host = host;
    snapshot.source = source;
    snapshot.time = {kNow.s - days * kDay, 0};
    snapshot.belongs_to_line = belongs_to_line;
    const SnapshotId id = snapshot.id;
    list.snapshots.push_back(listed(std::make_shared<Snapshot>(std::move(snapshot)), {}));
    return id;
  }
  SnapshotList list;
};

std::vector<SnapshotId> removed_by(const PrunePlan& plan) {
  std::vector<SnapshotId> ids;
  for (const PruneVerdict& verdict : plan.snapshots) {
    if (verdict.removed()) ids.push_back(verdict.snapshot.snapshot->id);
  }
  return ids;
}

TEST(PrunePlan, CountsEachLineByItself) {
  List list;
  const SnapshotId old = list.add(3, "a", "home");
  list.add(2, "a", "home");
  list.add(9, "b", "home");
  const SnapshotId other = list.add(9, "a", "etc");
  list.add(8, "a", "etc");
  const PrunePlan plan = plan_prune(list.list, {last(1), {}, false}, kNow);
  EXPECT_THAT(removed_by(plan), ElementsAre(old, other));
  EXPECT_THAT(plan.snapshots, SizeIs(5));
}

TEST(PrunePlan, WhatBelongsToNoLineIsNeitherCountedNorRemoved) {
  List list;
  list.add(3, "a", "home");
  list.add(2, "a", "home", false);
  list.add(1, "a", "home", false);
  const PrunePlan plan = plan_prune(list.list, {last(1), {}, false}, kNow);
  EXPECT_THAT(removed_by(plan), IsEmpty());
  EXPECT_EQ(plan.snapshots[0].kept_by, std::set{KeepRule::last});
  EXPECT_EQ(plan.snapshots[1].standing, Standing::no_line);
}

TEST(PrunePlan, WhatClaimsTheFutureIsNeitherCountedNorRemoved) {
  List list;
  const SnapshotId old = list.add(3, "a", "home");
  list.add(2, "a", "home");
  for (int year = 1; year < 10; ++year) list.add(-366 * year, "a", "home");
  const PrunePlan plan = plan_prune(list.list, {last(1), {}, false}, kNow);
  EXPECT_THAT(removed_by(plan), ElementsAre(old));
  EXPECT_EQ(plan.snapshots[2].standing, Standing::future);
}

TEST(PrunePlan, ALineThatWouldLoseAllIsNamedUnlessThatIsAllowed) {
  List list;
  list.add(3, "a", "home");
  list.add(2, "a", "home");
  list.add(2, "a", "home", false);  // does not make it less empty
  list.add(-400, "a", "home");      // neither does this
  list.add(1, "b", "home");
  RetentionRules rules;
  rules.tags = {"none"};
  const auto lines_stay = [&](const SnapshotFilter& filter, bool allow_empty) {
    const PrunePlan plan = plan_prune(list.list, {rules, filter, allow_empty}, kNow);
    return error_of([&] { require_lines_stay(plan, list.list); });
  };
  EXPECT_EQ(lines_stay({}, false), "usage");
  EXPECT_EQ(lines_stay({}, true), "none");
  EXPECT_EQ(lines_stay({.hosts = {"a"}, .sources = {}, .tags = {}}, false), "usage");
  list.list.snapshots[0].held = true;
  EXPECT_EQ(lines_stay({.hosts = {"a"}, .sources = {}, .tags = {}}, false), "none");
}

TEST(PrunePlan, WhatTheFilterLeavesOutKeepsALineFromBeingEmpty) {
  List list;
  list.add(3, "a", "home");
  list.add(2, "a", "home");
  list.list.snapshots[1].tags = {"temporary"};
  RetentionRules rules;
  rules.tags = {"none"};
  const PrunePlan plan = plan_prune(
      list.list, {rules, {.hosts = {}, .sources = {}, .tags = {"temporary"}}, false}, kNow);
  EXPECT_THAT(removed_by(plan), SizeIs(1));
  EXPECT_NO_THROW(require_lines_stay(plan, list.list));
}

class Prune : public ::testing::Test {
 protected:
  Prune() {
    const auto writer = world.open("writer");
    for (std::uint64_t i = 0; i < 4; ++i) {
      world.clock.advance(24 * MaintenanceWorld::kHour);
      ids.push_back(world.commit(*writer, random_files(i, 1, 1000)));
    }
  }
  /// What another client sees.
  std::vector<SnapshotId> listed() {
    std::vector<SnapshotId> found;
    const auto list = world.open("reader")->snapshots();
    for (const auto& each : list->snapshots) {
      found.push_back(each.snapshot->id);
    }
    return found;
  }

  MaintenanceWorld world;
  std::vector<SnapshotId> ids;
};

TEST_F(Prune, RemovesWhatNoRuleKeeps) {
  const auto repository = world.open("client");
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  EXPECT_THAT(execute(plan, *repository, *lease), SizeIs(3));
  EXPECT_THAT(listed(), ElementsAre(ids[3]));
}

TEST_F(Prune, PlansWithWhatCameBeforeItHeldTheLease) {
  const auto repository = world.open("client");  // has loaded its state
  const auto other = world.open("other");
  set_properties(*other, {{ids[0], Hold{true}}});
  world.clock.advance(world.kHour);  // those of one moment have no order
  ids.push_back(world.commit(*other, random_files(9, 1, 1000)));
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  execute(plan, *repository, *lease);
  EXPECT_THAT(listed(), ElementsAre(ids[0], ids[4]));
}

TEST_F(Prune, LooksAgainBeforeItRemoves) {
  const auto repository = world.open("client");
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  const auto other = world.open("other");
  set_properties(*other, {{ids[0], Hold{true}}});
  remove_snapshots(*other, {ids[1]});
  EXPECT_THAT(execute(plan, *repository, *lease), ElementsAre(ids[2]));
  EXPECT_THAT(listed(), ElementsAre(ids[0], ids[3]));
}

TEST_F(Prune, DoesNotEmptyALineWhoseKeeperSomebodyElseRemoved) {
  const auto repository = world.open("client");
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  remove_snapshots(*world.open("other"), {ids[3]});
  EXPECT_EQ(error_of([&] { return execute(plan, *repository, *lease); }), "usage");
  EXPECT_THAT(listed(), ElementsAre(ids[0], ids[1], ids[2]));
}

TEST_F(Prune, StopsWhenAListingFails) {
  const auto repository = world.open("client");
  testing::FaultyBackend& store = world.test.faulty();
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  const auto before = world.count(format::ObjectType::index);
  for (const auto type : {format::ObjectType::snapshot, format::ObjectType::index}) {
    store.order({.fault = testing::Fault::fail,
                 .call = testing::Call::list,
                 .nth = 1,
                 .times = 1,
                 .code = ErrorCode::unavailable,
                 .type = type});
    EXPECT_EQ(error_of([&] { return execute(plan, *repository, *lease); }), "unavailable");
  }
  EXPECT_EQ(world.count(format::ObjectType::index), before);
  EXPECT_THAT(listed(), SizeIs(4));
}

TEST_F(Prune, RemovesNothingOnceItsLeaseHasLapsed) {
  const auto repository = world.open("client");
  testing::FaultyBackend& store = world.test.faulty();
  const auto lease = ExclusiveLease::acquire(*repository);
  const PrunePlan plan = plan_prune(*repository, {last(1), {}, false});
  store.order({.fault = testing::Fault::fail,
               .call = testing::Call::write,
               .nth = 1,
               .times = 1000,
               .code = ErrorCode::unavailable,
               .type = format::ObjectType::lock});
  world.clock.advance(2 * MaintenanceWorld::kHour);
  EXPECT_EQ(error_of([&] { return execute(plan, *repository, *lease); }), "busy");
  EXPECT_THAT(listed(), SizeIs(4));
}

TEST_F(Prune, WithoutARuleThereIsNoPlan) {
  const auto repository = world.open("client");
  EXPECT_EQ(error_of([&] { return plan_prune(*repository, PruneOptions{}); }), "usage");
}

// A hold that was granted counts, at whatever instant it came.
TEST_F(Prune, BringsBackWhatSomebodyHeldWhileItRemoved) {
  const auto repository = world.open("client");
  // Held after the last look: by this client's own record, which no refresh has shown it yet.
  IndexRecord holding;
  holding.facts.annotations.push_back({ids[1], world.clock.now(), std::nullopt, Hold{true}});
  repository->publish_record(std::move(holding));
  EXPECT_THAT(remove_snapshots(*repository, {ids[0], ids[1]}), ElementsAre(ids[0]));
  EXPECT_THAT(listed(), ElementsAre(ids[1], ids[2], ids[3]));
}

TEST_F(Prune, HoldingWhatIsBeingRemovedFails) {
  const auto other = world.open("other");
  remove_snapshots(*world.open("client"), {ids[0]});
  EXPECT_EQ(error_of([&] { set_properties(*other, {{ids[0], Hold{true}}}); }), "busy");
}

TEST_F(Prune, AHeldSnapshotIsRefused) {
  const auto repository = world.open("client");
  set_properties(*repository, {{ids[0], Hold{true}}});
  EXPECT_EQ(error_of([&] { require_not_held(*repository, {ids[1], ids[0]}); }), "denied");
  EXPECT_NO_THROW(require_not_held(*repository, {ids[1], ids[2]}));
}

class Annotations : public Prune {
 protected:
  std::vector<std::string> tags_of(std::size_t at) {
    const auto list = world.open("reader")->snapshots();
    for (const auto& each : list->snapshots) {
      if (each.snapshot->id == ids[at]) return each.tags;
    }
    return {"not listed"};
  }
};

TEST_F(Annotations, TheLastChangeCountsAlsoIfItsClockIsBehind) {
  set_properties(*world.open("client"), {{ids[0], Tags{{"a"}}}, {ids[1], Tags{{"b"}}}});
  world.clock.set({world.clock.now().s - 10 * kDay, 0});
  set_properties(*world.open("client"), {{ids[0], Tags{{"c", "d"}}}});
  EXPECT_THAT(tags_of(0), ElementsAre("c", "d"));
  set_properties(*world.open("client"), {{ids[0], Tags{}}});
  EXPECT_THAT(tags_of(0), IsEmpty());
  EXPECT_THAT(tags_of(1), ElementsAre("b"));
}

TEST_F(Annotations, HoldsAndTagsDoNotDisturbEachOther) {
  const auto repository = world.open("client");
  set_properties(*repository, {{ids[0], Tags{{"a"}}}});
  set_properties(*repository, {{ids[0], Hold{true}}});
  EXPECT_THAT(tags_of(0), ElementsAre("a"));
  EXPECT_TRUE(repository->snapshots()->snapshots[0].held);
  set_properties(*repository, {{ids[0], Hold{false}}});
  EXPECT_FALSE(repository->snapshots()->snapshots[0].held);
}

TEST_F(Annotations, ManyChangesGoIntoSeveralRecords) {
  const auto repository = world.open("client");
  std::vector<PropertyChange> changes;
  for (int i = 0; i < 3000; ++i) {
    changes.push_back({examples::make_id<SnapshotId>("made up", static_cast<std::uint64_t>(i)),
                       Tags{{std::string(1000, 'x')}}});
  }
  const auto before = world.count(format::ObjectType::index);
  set_properties(*repository, changes);
  EXPECT_GT(world.count(format::ObjectType::index), before + 1);
  EXPECT_THAT(repository->index().facts().annotations, SizeIs(3000));
}

}  // namespace
}  // namespace vgerfs::repo
