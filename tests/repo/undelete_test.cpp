#include "repo/maintenance/undelete.h"

#include <functional>
#include <optional>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "index_examples.h"
#include "maintenance_world.h"
#include "repo/maintenance/closure.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/removal.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using ::testing::ElementsAre;
using testing::error_of;
using testing::Files;
using ::testing::HasSubstr;
using testing::MaintenanceWorld;
using testing::random_files;

constexpr auto kHour = MaintenanceWorld::kHour;

class Undelete : public ::testing::Test {
 protected:
  Undelete() : repository(world.open("client")) {
    first = world.commit(*repository, first_files);
    second = world.commit(*repository, random_files(500, 2));
  }
  void remove(const SnapshotId& id) {
    remove_snapshots(*repository, {id});
    world.expected.erase(id);
  }
  void undelete(const SnapshotId& id) { repo::undelete(*repository, id, {}); }
  void compact() { repo::compact(*world.open("maintainer"), {.threads = 1}, false, {}, {}); }
  std::string failure(const SnapshotId& id) {
    try {
      undelete(id);
    } catch (const Error& error) {
      return std::string{to_string(error.code())} + ": " + error.what();
    }
    return "none";
  }

  MaintenanceWorld world;
  const Files first_files = random_files(100, 3);
  std::unique_ptr<Repository> repository;
  SnapshotId first;
  SnapshotId second;
};

TEST_F(Undelete, BringsASnapshotBackAsItWas) {
  remove(first);
  undelete(first);
  world.expected[first] = first_files;
  world.verify();
}

TEST_F(Undelete, DeletesAndUndeletesTakeTurns) {
  for (int i = 0; i < 3; ++i) {
    remove(first);
    world.verify("removed");
    world.clock.advance(kHour);
    undelete(first);
    world.expected[first] = first_files;
    world.verify("brought back");
  }
  remove(first);
  EXPECT_THAT(repository->removed_snapshots()[0].removals, ::testing::SizeIs(1));
  world.verify("removed at last");
}

TEST_F(Undelete, UndoesTheRemovalsOfSeveral) {
  const auto other = world.open("other");
  remove(first);
  world.remove(*other, first);
  undelete(first);
  world.expected[first] = first_files;
  world.verify();
}

TEST_F(Undelete, IsPromisedWithinTheGraceTimeWhateverCompactDoes) {
  remove(first);
  compact();
  world.clock.advance(23 * kHour);
  compact();
  undelete(first);
  world.expected[first] = first_files;
  world.clock.advance(30 * kHour);
  compact();
  world.clock.advance(30 * kHour);
  compact();
  world.verify();
}

TEST_F(Undelete, WithinTheGraceTimeIsNoUndeletionOfWhatACompactionWithoutOneTook) {
  remove(first);
  // The snapshot's object is there, as after a crash or in a store that lets nobody remove.
  world.test.faulty().order(
      {.call = testing::Call::remove, .times = 1'000'000, .code = ErrorCode::denied});
  EXPECT_EQ(error_of([&] {
              return repo::compact(*repository, {.now = true, .threads = 1}, false, {}, {});
            }),
            "denied");
  world.test.faulty().clear();
  EXPECT_THAT(failure(first), HasSubstr("corrupt: snapshot"));
  EXPECT_THAT(repository->removed_snapshots(), ::testing::SizeIs(1));
  world.verify("it must stay removed");
}

TEST_F(Undelete, WithinTheGraceTimeWhatCannotBeLookedThroughIsBack) {
  remove(first);
  world.test.faulty().before_next(testing::Call::write, [&] {
    world.test.faulty().order(
        {.call = testing::Call::read, .times = 1'000'000, .code = ErrorCode::unavailable});
  });
  EXPECT_THAT(failure(first), HasSubstr("unavailable: snapshot"));
  world.test.faulty().clear();
  world.expected[first] = first_files;
  world.verify();
}

TEST_F(Undelete, WithinTheGraceTimeWorksBesideAMaintenanceRun) {
  remove(first);
  const auto maintainer = world.open("maintainer");
  const auto lease = ExclusiveLease::acquire(*maintainer);
  undelete(first);
  world.expected[first] = first_files;
}

TEST_F(Undelete, AfterTheGraceTimeWaitsForMaintenanceToEnd) {
  remove(first);
  world.clock.advance(25 * kHour);
  {
    const auto maintainer = world.open("maintainer");
    const auto lease = ExclusiveLease::acquire(*maintainer);
    EXPECT_THAT(failure(first), HasSubstr("busy"));
  }
  undelete(first);
  world.expected[first] = first_files;
  world.verify();
}

TEST_F(Undelete, ThatSleptOverTheGraceTimeIsALateOne) {
  remove(first);
  // A suspended laptop: when the undo is about to be written, what it needs is there no more.
  world.test.faulty().before_next(testing::Call::write, [&] {
    for (int i = 0; i < 2; ++i) {
      world.clock.advance(25 * kHour);
      compact();
    }
  });
  EXPECT_THAT(failure(first), HasSubstr("corrupt: snapshot"));
  EXPECT_THAT(repository->removed_snapshots(), ::testing::SizeIs(1));
  world.verify();
}

TEST_F(Undelete, ALateOneThatSleptOverItsLeaseStaysRemoved) {
  remove(first);
  world.clock.advance(25 * kHour);
  // The first write is its lease, the second the undo: maintenance may begin before that one.
  world.test.faulty().before_next(testing::Call::write, [&] {
    world.test.faulty().before_next(testing::Call::write, [&] { world.clock.advance(2 * kHour); });
  });
  EXPECT_THAT(failure(first), HasSubstr("busy: the maintenance run's lease has lapsed"));
  EXPECT_THAT(repository->removed_snapshots(), ::testing::SizeIs(1));
  undelete(first);
  world.expected[first] = first_files;
  world.verify();
}

TEST_F(Undelete, AClockThatIsAFewMinutesBehindDoesNotMakeItALateOne) {
  IndexRecord record;
  record.facts.removals.push_back({first, world.clock.now().s + 300});
  repository->publish_record(std::move(record));
  const auto maintainer = world.open("maintainer");
  const auto lease = ExclusiveLease::acquire(*maintainer);
  EXPECT_EQ(failure(first), "none");
}

TEST_F(Undelete, RemovedByAClockThatIsWrongCountsAsLate) {
  // A removal of next year says nothing about its age.
  IndexRecord record;
  record.facts.removals.push_back({first, world.clock.now().s + 400 * 24 * 3600});
  repository->publish_record(std::move(record));
  const auto maintainer = world.open("maintainer");
  const auto lease = ExclusiveLease::acquire(*maintainer);
  EXPECT_THAT(failure(first), HasSubstr("busy"));
}

TEST_F(Undelete, WhatMaintenanceDeletedIsGone) {
  remove(first);
  world.clock.advance(25 * kHour);
  compact();
  EXPECT_THAT(failure(first), HasSubstr("not_found: snapshot"));
  world.verify();
}

TEST_F(Undelete, OfWhatIsNotRemovedFails) {
  EXPECT_THAT(failure(first), HasSubstr("not_found"));
  EXPECT_THAT(failure(SnapshotId{}), HasSubstr("not_found"));
  world.verify();
}

/// A store from which somebody deletes the snapshot between the record that brings it back and the
/// look whether it is there.
class DeletingBackend final : public backends::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;
  std::optional<SnapshotId> victim;

  void barrier() override {
    ForwardingBackend::barrier();
    if (!victim || !armed_) return;
    ForwardingBackend::remove(format::snapshot_name(*victim));
    victim.reset();
  }
  void write(const format::ObjectName& name, ByteView bytes) override {
    ForwardingBackend::write(name, bytes);
    armed_ = name.type == format::ObjectType::index;
  }

 private:
  bool armed_ = false;
};

TEST_F(Undelete, WritesTheObjectAgainThatMaintenanceDeletedMeanwhile) {
  remove(first);
  testing::MemoryBackend memory{world.test.shared_store()};
  const auto deleting = std::make_shared<DeletingBackend>(memory);
  OpenOptions options;
  options.directories = {.cache = world.test.directory() + "/deleting/cache",
                         .state = world.test.directory() + "/deleting/state"};
  options.clock = &world.clock;
  const auto other =
      Repository::open(deleting, testing::TestRepository::full_key(), std::move(options));
  deleting->victim = first;
  repo::undelete(*other, first, {});
  EXPECT_FALSE(deleting->victim) << "the test deleted nothing";
  world.expected[first] = first_files;
  world.verify();
}

// The packs are gone, the object is not: as after a maintenance run that another program did.
TEST_F(Undelete, PutsTheRemovalBackAndNamesWhatIsMissing) {
  remove(first);
  const Bytes stored = *world.test.store().find(format::snapshot_name(first))->bytes;
  world.clock.advance(25 * kHour);
  compact();
  world.clock.advance(25 * kHour);
  compact();
  world.test.store().put(format::snapshot_name(first),
                         {std::make_shared<const Bytes>(stored), world.clock.now()});
  const std::string text = failure(first);
  EXPECT_THAT(text, HasSubstr("corrupt: snapshot"));
  EXPECT_THAT(text, HasSubstr("/: "));
  world.verify("it must stay removed");
}

TEST_F(Undelete, ALateOneCountsOnTheStoreAndNotOnWhatItRemembers) {
  // All data of the first lives on in another snapshot; its directory does not.
  Files same;
  for (const auto& [name, bytes] : first_files) same["other " + name] = bytes;
  world.commit(*repository, same);
  for (const auto list = repository->snapshots(); const auto& listed : list->snapshots) {
    testing::read_files(*repository, *listed.snapshot);
  }
  remove(first);
  const Bytes stored = *world.test.store().find(format::snapshot_name(first))->bytes;
  for (int i = 0; i < 2; ++i) {
    world.clock.advance(25 * kHour);
    compact();
  }
  world.test.store().put(format::snapshot_name(first),
                         {std::make_shared<const Bytes>(stored), world.clock.now()});
  EXPECT_THAT(failure(first), HasSubstr("corrupt: snapshot"));
  world.verify("it must stay removed");
}

TEST_F(Undelete, ALateOneThatCannotBeCheckedStaysRemoved) {
  remove(first);
  world.clock.advance(25 * kHour);
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] {
              return repo::undelete(*repository, first,
                                    {.grace_s = kDefaultGrace_s, .stop = stop.get_token()});
            }),
            "interrupted");
  world.verify();
}

TEST(Closure, NamesTheFilesThatLackSomething) {
  MaintenanceWorld world;
  const auto repository = world.open("client");
  Session session{*repository, MaintenanceWorld::session_options()};
  const auto nowhere = [](std::string_view name) { return examples::make_id<ChunkId>(name); };
  DirectoryBuilder builder{session, repository->keyring().split_key()};
  const auto add = [&](const char* name, const std::function<void(Entry&)>& fill) {
    Entry entry;
    entry.set_name(name);
    entry.set_type(EntryType::ENTRY_FILE);
    fill(entry);
    builder.add(entry);
  };
  const auto fill_with = [&](Entry& entry, const ChunkId& chunk) {
    ExtentListBuilder extents{session};
    extents.add({.bytes = 4, .chunk = chunk, .chunk_offset = 0});
    extents.finish(entry);
  };
  const ChunkId stored = session.put(ChunkKind::data, bytes_of("data"));
  add("a good one", [&](Entry& entry) { fill_with(entry, stored); });
  add("b content", [&](Entry& entry) { fill_with(entry, nowhere("b")); });
  add("c list of extents", [&](Entry& entry) {
    entry.set_size(100);
    entry.set_extents_root(nowhere("c").raw());
  });
  add("d directory", [&](Entry& entry) {
    entry.set_type(EntryType::ENTRY_DIRECTORY);
    entry.set_subtree(nowhere("d").raw());
  });
  add("e attribute", [&](Entry& entry) {
    auto& xattr = *entry.add_xattrs();
    xattr.set_name("user.e");
    xattr.set_value_chunk(nowhere("e").raw());
  });
  add("f good one", [&](Entry& entry) { fill_with(entry, stored); });
  Entry root = testing::plain_root();
  root.set_subtree(builder.finish().value().raw());
  session.checkpoint();

  const ClosureReport report = check_closure(*repository, root, {});
  std::set<std::string> paths;
  for (const MissingPiece& piece : report.missing) paths.insert(piece.path);
  EXPECT_THAT(paths, ElementsAre("b content", "c list of extents", "d directory", "e attribute"));
  EXPECT_EQ(report.missing_count, 4U);
}

}  // namespace
}  // namespace vgerfs::repo
