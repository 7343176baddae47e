// Compaction gives space back, in two steps, and takes nothing that is needed.
#include "repo/maintenance/compact.h"

#include <functional>
#include <map>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "backends/store_services.h"
#include "base/sha256.h"
#include "maintenance_world.h"
#include "repo/maintenance/check.h"
#include "repo/maintenance/rebuild_index.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::Call;
using testing::error_of;
using testing::Files;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::TestRepository;
using vgerfs::testing::kOverGrace;

class Compact : public ::testing::Test, protected MaintenanceWorld {
 protected:
  CompactResult run(Repository& repository, CompactOptions options = {}, bool dry_run = false) {
    options.threads = 1;
    return compact(repository, options, dry_run, nullptr, {});
  }
  void pass(std::chrono::hours hours) { clock.advance(hours); }
  /// Returns a record that names some of the data, while another one names all trees.
  format::ObjectName commit_in_two_records(const Files& files) {
    Session session{*repository_, session_options()};
    session.put(ChunkKind::data, files.begin()->second);
    session.checkpoint();
    const auto record = test.store().names(ObjectType::index).front();
    const Entry root = testing::put_files(session, repository_->keyring(), files);
    expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
    return record;
  }

  std::unique_ptr<Repository> repository_ = open("client");
};

TEST_F(Compact, DeletesWhatNoSnapshotNeedsAfterTwoGraceTimes) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  const auto before = stored_bytes();
  remove(*repository_, old);
  EXPECT_EQ(run(*repository_).condemned_packs, 0U) << "the removal is young";
  pass(kOverGrace);
  const CompactResult first = run(*repository_);
  EXPECT_EQ(first.condemned_packs, 2U) << "one of data, one of metadata";
  EXPECT_EQ(first.deleted_packs, 0U);
  EXPECT_EQ(first.deleted_snapshots, 1U);
  verify("condemned");
  EXPECT_EQ(run(*repository_).deleted_packs, 0U) << "the condemnation is young";
  pass(kOverGrace);
  const CompactResult second = run(*repository_);
  EXPECT_EQ(second.deleted_packs, 2U);
  EXPECT_GT(second.deleted_bytes, 1'000'000U);
  EXPECT_LT(stored_bytes(), before - 900'000);
  verify("deleted");
  EXPECT_TRUE(run(*repository_).plan.empty());
}

TEST_F(Compact, MovesWhatLivesOfWastefulPacks) {
  Files files = random_files(1, 6);
  const SnapshotId old = commit(*repository_, files);
  files.erase("file1");
  files.erase("file2");
  files.erase("file3");
  commit(*repository_, files);
  remove(*repository_, old);
  pass(kOverGrace);
  const CompactResult first = run(*repository_);
  EXPECT_GE(first.moved_packs, 1U);
  EXPECT_GT(first.written_bytes, 600'000U);
  verify("moved");
  pass(kOverGrace);
  EXPECT_GE(run(*repository_).deleted_packs, 1U);
  verify("deleted");
  pass(kOverGrace);
  EXPECT_TRUE(run(*repository_).plan.repack.empty()) << "it must come to an end";
}

TEST_F(Compact, ADryRunWritesNothing) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 2));
  remove(*repository_, old);
  pass(kOverGrace);
  const auto before = test.store().names();
  const CompactResult result = run(*repository_, {}, true);
  EXPECT_EQ(result.plan.condemn.size(), 2U);
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(Compact, ALiveSessionThatDoesNotKnowTheCondemnationHoldsItUp) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  remove(*repository_, old);
  const auto other = open("other");
  Session session{*other, session_options("etc")};
  // It stores nothing new: what it sends lies in the pack of the removed snapshot.
  const auto root = testing::put_files(session, other->keyring(), random_files(1, 5));
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).condemned_packs, 2U) << "the lease of the sleeping session is over";
  const CompactResult result = run(*repository_);
  EXPECT_EQ(result.deleted_packs, 0U);
  EXPECT_EQ(error_of([&] { session.commit(testing::draft_of(root)); }), "busy");
  verify();
}

TEST_F(Compact, WhatASessionReliesOnStaysWhileItsLeaseHolds) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  remove(*repository_, old);
  pass(kOverGrace);
  const auto other = open("other");
  Session session{*other, session_options("etc")};
  const auto root = testing::put_files(session, other->keyring(), random_files(1, 5));
  EXPECT_EQ(run(*repository_).condemned_packs, 2U);
  CompactOptions impatient;
  impatient.grace_s = kMinGrace_s;
  // An hour and a bit later the lease still holds: ttl and a quarter.
  clock.advance(std::chrono::minutes{61});
  const CompactResult waiting = run(*repository_, impatient);
  EXPECT_EQ(waiting.deleted_packs, 0U);
  EXPECT_THAT(waiting.plan.notes, ::testing::Contains(::testing::HasSubstr("a session of host")));
}

TEST_F(Compact, ASnapshotThatCameMeanwhileRescuesWhatItNeeds) {
  const Files files = random_files(1, 5);
  const SnapshotId old = commit(*repository_, files);
  commit(*repository_, random_files(100, 5));
  remove(*repository_, old);
  pass(kOverGrace);
  const auto other = open("other");
  Session session{*other, session_options("etc")};
  const auto root = testing::put_files(session, other->keyring(), files);
  EXPECT_EQ(run(*repository_).condemned_packs, 2U);
  expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
  pass(kOverGrace);
  const CompactResult result = run(*repository_);
  EXPECT_EQ(result.deleted_packs, 0U);
  EXPECT_EQ(result.rescued_packs, 2U) << "data and metadata";
  verify();
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).condemned_packs, 0U);
}

TEST_F(Compact, NothingNewRestsOnWhatIsCondemned) {
  const Files files = random_files(1, 5);
  const SnapshotId old = commit(*repository_, files);
  commit(*repository_, random_files(100, 1));
  remove(*repository_, old);
  pass(kOverGrace);
  run(*repository_);
  const auto before = stored_bytes();
  commit(*repository_, files);
  EXPECT_GT(stored_bytes(), before + 900'000) << "it was stored again";
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).deleted_packs, 2U);
  verify();
}

TEST_F(Compact, AnUnreadableSnapshotStopsItUntilItIsGivenUp) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 1));
  remove(*repository_, old);
  const auto thief = open("thief");
  Entry root = testing::plain_root();
  root.set_subtree(std::string(32, 'x'));
  SnapshotId bad;
  {
    Session session{*thief, session_options("etc")};
    bad = session.commit(testing::draft_of(root)).snapshot->id;
  }
  pass(kOverGrace);
  EXPECT_EQ(error_of([&] { run(*repository_); }), "corrupt");
  EXPECT_EQ(count(ObjectType::snapshot), 3U);
  remove(*repository_, bad);
  EXPECT_EQ(run(*repository_).condemned_packs, 2U);
  verify();
}

TEST_F(Compact, ADamagedSnapshotStopsIt) {
  const SnapshotId id = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 1));
  test.store().overwrite(format::snapshot_name(id), Bytes(500));
  const auto fresh = open("fresh");
  pass(kOverGrace);
  const auto before = test.store().names();
  EXPECT_EQ(error_of([&] { run(*fresh); }), "corrupt");
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(Compact, AnUnreadableRecordStopsIt) {
  test.store().overwrite(commit_in_two_records(random_files(1, 1)), Bytes(100));
  const auto fresh = open("fresh");
  pass(kOverGrace);
  const auto before = test.store().names();
  EXPECT_EQ(error_of([&] { run(*fresh); }), "corrupt");
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(Compact, LoadsItsStateWhenItHoldsTheLease) {
  const Files files = random_files(1, 5);
  const SnapshotId old = commit(*repository_, files);
  commit(*repository_, random_files(100, 1));
  remove(*repository_, old);
  pass(kOverGrace);
  const auto other = open("other");
  repository_ = open("client");
  // When the lease is about to be there, what was dead comes into use.
  test.faulty().before_next(testing::Call::barrier, [&] { commit(*other, files, "etc"); });
  EXPECT_EQ(run(*repository_).condemned_packs, 0U);
  verify();
}

TEST_F(Compact, AListingThatFailsStopsIt) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 1));
  remove(*repository_, old);
  pass(kOverGrace);
  expect_to_stop_at_failing_listings([&](Repository& client) { run(client); });
}

TEST_F(Compact, AListingThatOmitsAKnownSnapshotStopsIt) {
  const SnapshotId omitted = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 1));
  pass(kOverGrace);
  repository_ = open("client");
  test.faulty().hide(format::snapshot_name(omitted));
  const auto before = test.store().names();
  EXPECT_EQ(error_of([&] { run(*repository_); }), "unavailable");
  EXPECT_EQ(test.store().names(), before);
  EXPECT_THAT(repository_->warnings(),
              ::testing::Contains(::testing::HasSubstr("omits snapshots/" + omitted.hex())));
  test.faulty().clear();
  EXPECT_EQ(run(*repository_).condemned_packs, 0U);
  verify();
}

TEST_F(Compact, AListingThatOmitsWhatAnotherClientHasSeenStopsIt) {
  const SnapshotId omitted = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 1));  // its record claims the other
  pass(kOverGrace);
  const auto forgetful = open("fresh");
  forgetful->seen().forget({.records = {}, .snapshots = {omitted}});
  test.faulty().hide(format::snapshot_name(omitted));
  EXPECT_EQ(error_of([&] { run(*forgetful); }), "unavailable");
}

TEST_F(Compact, ASnapshotThatCameAfterTheListingDoesNotStopIt) {
  commit(*repository_, random_files(1, 5));
  const auto other = open("client");  // what it has seen this client has seen
  repository_ = open("client");
  // Between the listing of snapshots and that of records.
  test.faulty().before_next(testing::Call::list, [&] {
    test.faulty().before_next(testing::Call::list,
                              [&] { commit(*other, random_files(100, 1), "etc"); });
  });
  repository_->refresh();
  EXPECT_TRUE(repository_->unlisted_snapshots().empty());
  EXPECT_NO_THROW(run(*repository_));
  verify();
}

TEST_F(Compact, ATreeThatIsMissingIsNotEmpty) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  remove(*repository_, old);
  commit(*repository_, random_files(100, 5));
  repository_->refresh();
  const auto list = repository_->snapshots();
  ASSERT_EQ(list->snapshots.size(), 1U);
  const auto tree =
      repository_->index().find(*subtree_of(list->snapshots.front().snapshot->root)).front();
  test.store().erase(format::pack_name(tree.pack));
  pass(kOverGrace);
  const auto before = test.store().names();
  repository_ = open("client");
  EXPECT_EQ(error_of([&] { run(*repository_); }), "corrupt");
  EXPECT_EQ(test.store().names(), before);
}

TEST_F(Compact, PacksThatNoRecordNamesGoAfterTheGraceTimes) {
  commit(*repository_, random_files(1, 2));
  {
    const auto other = open("other");
    Session session{*other, session_options("etc")};
    put_unnamed(session, other->keyring(), random_files(50, 3));
  }
  ASSERT_EQ(count(ObjectType::pack), 4U);
  EXPECT_EQ(run(*repository_).condemned_packs, 0U);
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).condemned_packs, 2U);
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).deleted_packs, 2U);
  EXPECT_EQ(count(ObjectType::pack), 2U);
  verify();
}

TEST_F(Compact, PacksThatNoRecordNamesStayWhileAChunkIsMissed) {
  test.store().erase(commit_in_two_records(random_files(1, 2)));
  pass(kOverGrace);
  const auto before = test.store().names(ObjectType::pack);
  const auto client = test.open(TestRepository::full_key(), "new", true);
  const CompactResult result = run(*client);
  EXPECT_EQ(result.condemned_packs, 0U);
  EXPECT_EQ(result.plan.waiting_packs, 1U);
  ASSERT_FALSE(result.plan.notes.empty());
  EXPECT_NE(result.plan.notes.back().find("rebuild-index"), std::string::npos);
  EXPECT_EQ(test.store().names(ObjectType::pack), before);
  {
    const auto lease = ExclusiveLease::acquire(*client);
    const RebuildPlan plan = plan_rebuild(*client, *lease, {}, {});
    execute(plan, *client, *lease, {}, nullptr, {});
  }
  verify();
}

TEST_F(Compact, MergesSmallRecordsAndOldAndNewClientsAgree) {
  const auto sleeper = open("sleeper");
  for (std::uint64_t i = 0; i < 20; ++i) commit(*repository_, random_files(10 * i, 1, 5000));
  sleeper->refresh();
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).merged_records, 20U);
  verify("merged");
  const CompactResult second = run(*repository_);
  EXPECT_EQ(second.deleted_records, 20U);
  EXPECT_LE(count(ObjectType::index), 4U) << "the merged one, and those of the packs' merging";
  verify("deleted");
  EXPECT_NO_THROW(sleeper->refresh()) << "what was replaced is no rollback";
  const auto again = open("sleeper");
  EXPECT_TRUE(again->warnings().empty());
}

TEST_F(Compact, AClientThatSleptThroughThreeMergesOpensWithoutAlarm) {
  { const auto sleeper = open("sleeper"); }
  for (std::uint64_t round = 0; round < 3; ++round) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      commit(*repository_, random_files(1000 * round + 10 * i, 1, 5000));
    }
    if (round == 0) open("sleeper");
    pass(kOverGrace);
    EXPECT_GE(run(*repository_).merged_records, 20U);
    run(*repository_);
  }
  const auto sleeper = open("sleeper");
  EXPECT_TRUE(sleeper->warnings().empty());
  EXPECT_EQ(sleeper->snapshots()->snapshots.size(), 60U);
  verify();
}

TEST_F(Compact, AClientThatSleptWhileItLookedOpensWithoutAlarm) {
  const auto sleeper = open("sleeper");
  auto& store = test.faulty();
  SnapshotId gone;
  // Its list of snapshots is older than the snapshot, its list of records than the removal.
  const auto at_night = [&] {
    remove(*repository_, gone);
    pass(kOverGrace);
    EXPECT_EQ(run(*repository_).deleted_snapshots, 1U);
  };
  store.before_next(testing::Call::list, [&] {
    store.before_next(testing::Call::list, [&] {
      gone = commit(*repository_, random_files(1, 5));
      commit(*repository_, random_files(100, 1), "etc");
      store.before_next(testing::Call::read, at_night);
    });
  });
  EXPECT_NO_THROW(sleeper->refresh());
  EXPECT_EQ(count(ObjectType::snapshot), 1U) << "it slept";
  verify();
}

TEST_F(Compact, AHiddenMergeIsARollback) {
  for (std::uint64_t i = 0; i < 20; ++i) commit(*repository_, random_files(10 * i, 1, 5000));
  const auto before = test.store().copy();
  pass(kOverGrace);
  run(*repository_);
  test.store().replace_all(before);
  EXPECT_EQ(error_of([&] { open("client"); }), "rollback");
}

TEST_F(Compact, NowNeedsNoPatienceAndNoSession) {
  const SnapshotId old = commit(*repository_, random_files(1, 5));
  commit(*repository_, random_files(100, 5));
  remove(*repository_, old);
  CompactOptions now;
  now.now = true;
  {
    const auto other = open("other");
    const Session session{*other, session_options("etc")};
    EXPECT_EQ(error_of([&] { run(*repository_, now); }), "busy");
  }
  const CompactResult result = run(*repository_, now);
  EXPECT_EQ(result.deleted_packs, 2U);
  EXPECT_EQ(result.deleted_snapshots, 1U);
  verify();
}

TEST(CompactBesideASession, LosesNothingAtWhicheverCallThatOneEnds) {
  bool ended_within = true;
  for (std::uint64_t nth = 1; ended_within; ++nth) {
    SCOPED_TRACE(nth);
    MaintenanceWorld world;
    const auto maintainer = world.open("maintainer");
    testing::FaultyBackend& calls = world.test.faulty();
    const auto other = world.open("other");
    const Files files = random_files(1, 2, 2000);
    const SnapshotId old = world.commit(*other, files);
    world.commit(*other, random_files(100, 2, 2000));
    world.remove(*other, old);

    // It relies on the removed snapshot's packs, which are condemned right after, and buried in the
    // same run if nothing holds them.
    std::optional<Session> session;
    Entry root;
    const auto end = [&] {
      world.expected[session->commit(testing::draft_of(root)).snapshot->id] = files;
      session.reset();
    };
    const auto begin = [&] {
      session.emplace(*other, MaintenanceWorld::session_options("etc"));
      root = testing::put_files(*session, other->keyring(), files);
      EXPECT_EQ(session->counters().stored_bytes, 0U) << "it relies on nothing";
      calls.before_call(nth, end);
    };
    // The first write is the maintainer's lease, the second one the condemnation.
    calls.before_next(Call::write, [&] { calls.before_next(Call::write, begin); });
    CompactOptions now;
    now.now = true;
    now.threads = 1;
    EXPECT_EQ(compact(*maintainer, now, false, nullptr, {}).condemned_packs, 2U);
    calls.clear();
    ended_within = !session;
    if (session) end();
    world.verify("after the session");
    for (int round = 0; round < 2; ++round) {
      world.clock.advance(kOverGrace);
      compact(*maintainer, {.threads = 1}, false, nullptr, {});
    }
    world.verify("after two more compactions");
    if (HasFatalFailure() || nth > 1000) return;
  }
}

TEST_F(Compact, TwoAtOnceAreRefused) {
  const auto held = ExclusiveLease::acquire(*repository_);
  const auto other = open("other");
  EXPECT_EQ(error_of([&] { run(*other); }), "busy");
}

TEST_F(Compact, ADeadRunsLeaseIsTakenOver) {
  const auto dead = test.store().copy();
  {
    const auto held = ExclusiveLease::acquire(*repository_);
    auto with_lease = test.store().copy();
    for (auto& [name, object] : with_lease) {
      if (name.type == ObjectType::lock) test.store().put(name, object);
    }
  }
  commit(*repository_, random_files(1, 1));
  clock.advance(std::chrono::minutes{80});
  EXPECT_NO_THROW(run(*repository_));
}

TEST_F(Compact, ADamagedPackIsLeftAlone) {
  Files files = random_files(1, 6);
  const SnapshotId old = commit(*repository_, files);
  files.erase("file1");
  files.erase("file2");
  commit(*repository_, files);
  remove(*repository_, old);
  const auto entry =
      find_entry(repository_->reader(),
                 subtree_of(repository_->snapshots()->snapshots.back().snapshot->root), "file6");
  const auto place =
      repository_->index().find(ChunkId::from_bytes(entry->extents(0).chunk())).front();
  const auto name = format::pack_name(place.pack);
  Bytes pack = *test.store().find(name)->bytes;
  pack[place.block->offset + place.block->stored_bytes / 2] ^= std::byte{1};
  test.store().overwrite(name, std::move(pack));
  pass(kOverGrace);
  repository_ = open("client");
  const CompactResult result = run(*repository_);
  ASSERT_EQ(result.damaged.size(), 1U);
  EXPECT_EQ(result.damaged[0].first, place.pack);
  pass(kOverGrace);
  run(*repository_);
  EXPECT_TRUE(test.store().find(name)) << "what is readable of it must stay";
}

// What an ingest author sealed is dropped only in favour of what was hashed.
TEST_F(Compact, CopiesOfIngestAuthorsAreDroppedInFavourOfTrustedOnes) {
  test.add_ingest_slot("host");
  const Files files = random_files(1, 5);
  {
    const auto client = test.open(TestRepository::ingest_key(), "web");
    Session session{*client, session_options("web")};
    const auto root = testing::put_files(session, client->keyring(), files);
    session.commit(testing::draft_of(root));
  }
  repository_->refresh();
  expected[repository_->snapshots()->snapshots.back().snapshot->id] = files;
  commit(*repository_, files);
  EXPECT_EQ(count(ObjectType::pack), 4U) << "a full author does not rest on an ingest author's";
  pass(kOverGrace);
  run(*repository_);
  verify("condemned");
  pass(kOverGrace);
  EXPECT_GE(run(*repository_).deleted_packs, 1U);
  verify("deleted");
}

TEST_F(Compact, TheBlockOfACopyIsReadOnceForAllItsChunks) {
  constexpr int kChunks = 200;
  const Files files = random_files(1, kChunks, 1000);
  commit(*repository_, files);
  {
    Session session{*repository_, session_options("copies")};
    for (const auto& [name, bytes] : files) session.put_again(ChunkKind::data, bytes);
    const Entry root = testing::put_files(session, repository_->keyring(), files);
    expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
  }
  pass(kOverGrace);
  const auto before = test.faulty().calls(testing::Call::read);
  EXPECT_EQ(run(*repository_).moved_packs, 1U);
  EXPECT_LT(test.faulty().calls(testing::Call::read) - before, std::uint64_t{kChunks} / 2);
  verify();
}

/// A store that moves blocks itself when it is asked to.
class CompactInTheStore : public Compact {
 protected:
  void SetUp() override { test.store().offer_compaction(); }

  CompactResult run(Repository& repository, CompactOptions options = {}) {
    options.pack_bytes = kPackBytes;
    return Compact::run(repository, options);
  }

  /// A snapshot of the last half of `count` files, beside whose data lies that of the others.
  SnapshotId commit_half_dead(Repository& repository, int count) {
    Files files = random_files(1, count);
    const SnapshotId old = commit(repository, files);
    for (int i = 1; i <= count / 2; ++i) files.erase(fmt::format("file{}", i));
    const SnapshotId half = commit(repository, files);
    remove(repository, old);
    pass(kOverGrace);
    return half;
  }
  /// Another full key, and its client.
  std::unique_ptr<Repository> open_author(const std::string& name, unsigned number) {
    Certificate wanted;
    wanted.role = Role::full;
    wanted.label = name;
    const auto bundle = repository_->keyring().make_bundle(wanted, crypto::system_random());
    const auto key = [&] {
      crypto::Secret secret{32};
      std::fill(secret.mutable_view().begin(), secret.mutable_view().end(),
                static_cast<std::byte>(number));
      return KeyFile{std::move(secret)};
    };
    backends::write_object(repository_->backend(), ObjectType::key,
                           make_slot(bundle, key(), {}, repository_->keyring().envelope_keys(),
                                     repository_->cipher(), 0, crypto::system_random()));
    repository_->backend().barrier();
    return test.open(key(), name);
  }
  /// By the client opened last.
  std::uint64_t asked() { return test.faulty().calls(Call::compact); }
  /// The entries of packs of data that are not condemned.
  std::vector<IndexedPack> data_packs(Repository& repository) {
    std::set<PackId> condemned;
    for (const auto& each : repository.index().facts().condemnations) condemned.insert(each.pack);
    std::vector<IndexedPack> found;
    repository.index().for_each_pack(true, [&](const IndexedPack& pack) {
      if (pack.description.kind != PackKind::data || condemned.contains(pack.description.id))
        return;
      found.push_back(pack);
    });
    return found;
  }
  /// It must come to an end, with nothing lost.
  void run_to_the_end(Repository& repository, CompactOptions options = {}) {
    pass(kOverGrace);
    EXPECT_GE(run(repository, options).deleted_packs, 1U);
    verify("deleted");
    pass(kOverGrace);
    EXPECT_TRUE(run(repository, options).plan.repack.empty());
  }

  static constexpr std::size_t kPackBytes = std::size_t{1} << 20;
};

TEST_F(CompactInTheStore, WholeBlocksAreMovedThere) {
  commit_half_dead(*repository_, 6);
  const auto packs = data_packs(*repository_);
  ASSERT_EQ(packs.size(), 1U);
  const CompactResult result = run(*repository_);
  EXPECT_EQ(asked(), 1U);
  EXPECT_GT(result.store_moved_bytes, 600'000U);
  EXPECT_LT(result.written_bytes, 10'000U) << "no data went through the client";
  verify("moved");
  const auto moved = data_packs(*repository_);
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_NE(moved[0].description.id, packs[0].description.id);
  EXPECT_EQ(moved[0].author, packs[0].author);
  EXPECT_TRUE(moved[0].trusted);
  EXPECT_EQ(moved[0].description.blocks.size(), 3U);
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, NothingIsWhenAllIsToBeSealedAgain) {
  commit_half_dead(*repository_, 6);
  CompactOptions options;
  options.reseal = true;
  EXPECT_GT(run(*repository_, options).written_bytes, 600'000U);
  EXPECT_EQ(asked(), 0U);
  verify("moved");
}

TEST_F(CompactInTheStore, ManyPacksBecomeFew) {
  for (int i = 0; i < 8; ++i) commit(*repository_, random_files(10U * static_cast<unsigned>(i), 1));
  pass(kOverGrace);
  EXPECT_EQ(data_packs(*repository_).size(), 8U);
  EXPECT_GT(run(*repository_).store_moved_bytes, 8U * 200'000U);
  const auto packs = data_packs(*repository_);
  EXPECT_EQ(packs.size(), 2U) << "five blocks fit into a pack";
  for (const IndexedPack& pack : packs) EXPECT_LE(pack.description.stored_bytes, kPackBytes);
  verify("moved");
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, BlocksThatAreHalfDeadGoThroughTheClient) {
  Files files = random_files(1, 100, 20'000);  // some fifty of them share a block
  const SnapshotId old = commit(*repository_, files);
  for (int i = 1; i <= 100; i += 2) files.erase(fmt::format("file{}", i));
  commit(*repository_, files);
  remove(*repository_, old);
  pass(kOverGrace);
  const CompactResult result = run(*repository_);
  EXPECT_GT(result.written_bytes, 900'000U);
  EXPECT_EQ(result.store_moved_bytes, 0U);
  verify("moved");
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, ABlockOfWhichLittleIsDeadMovesWholeAndStays) {
  Files files = random_files(10, 40, 20'000);  // in one block
  const Files large = random_files(1, 1);
  files.insert(large.begin(), large.end());
  const SnapshotId old = commit(*repository_, files);
  files.erase("file1");
  files.erase("file10");
  commit(*repository_, files);
  remove(*repository_, old);
  pass(kOverGrace);
  const CompactResult result = run(*repository_);
  EXPECT_GT(result.store_moved_bytes, 40U * 20'000U);
  EXPECT_LT(result.written_bytes, 20'000U);
  verify("moved");
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, ABlockThatIsHalfDeadComesAlongWhereItIsSmall) {
  Files files = random_files(1, 10);
  const Files small = random_files(100, 4, 20'000);  // in one block
  files.insert(small.begin(), small.end());
  const SnapshotId old = commit(*repository_, files);
  for (const char* const name : {"file1", "file2", "file3", "file4", "file100", "file101"}) {
    files.erase(name);
  }
  commit(*repository_, files);
  remove(*repository_, old);
  pass(kOverGrace);
  const CompactResult result = run(*repository_);
  EXPECT_GT(result.store_moved_bytes, 6U * 200'000U + 4U * 20'000U);
  EXPECT_LT(result.written_bytes, 20'000U);
  verify("moved");
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, ACopyIsDroppedByWhoHashesTheOther) {
  const Files files = random_files(1, 5);
  commit(*repository_, files);
  {
    Session session{*repository_, session_options("copies")};
    for (const auto& [name, bytes] : files) session.put_again(ChunkKind::data, bytes);
    const Entry root = testing::put_files(session, repository_->keyring(), files);
    expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
  }
  EXPECT_EQ(data_packs(*repository_).size(), 2U);
  pass(kOverGrace);
  EXPECT_EQ(run(*repository_).store_moved_bytes, 0U);
  EXPECT_EQ(data_packs(*repository_).size(), 1U);
  verify("dropped");
}

TEST_F(CompactInTheStore, WhatIsLeftOfAWastefulPackMovesHoweverSmall) {
  commit_half_dead(*repository_, 2);
  EXPECT_GT(run(*repository_).store_moved_bytes, 200'000U);
  EXPECT_EQ(data_packs(*repository_).size(), 1U);
  verify("moved");
  run_to_the_end(*repository_);
}

TEST_F(CompactInTheStore, SmallPacksOfManyAuthorsBecomeOne) {
  // Each alone in a pack of his, they would be merged again and again.
  for (unsigned i = 0; i < 8; ++i) {
    const auto author = open_author(fmt::format("author{}", i), i + 10);
    commit(*author, random_files(10 * i, 1), fmt::format("source{}", i));
  }
  repository_ = open("client");
  pass(kOverGrace);
  EXPECT_EQ(data_packs(*repository_).size(), 8U);
  EXPECT_EQ(run(*repository_).store_moved_bytes, 0U);
  verify("moved");
  EXPECT_EQ(data_packs(*repository_).size(), 2U);
  run_to_the_end(*repository_);
}

// Nobody may come to rest on a copy that nobody has hashed.
TEST_F(CompactInTheStore, WhatIngestAuthorsSealedGoesThroughTheClient) {
  test.add_ingest_slot("host");
  {
    const auto client = test.open(TestRepository::ingest_key(), "web");
    Files files = random_files(1, 6);
    const auto put = [&] {
      Session session{*client, session_options("web")};
      const auto root = testing::put_files(session, client->keyring(), files);
      const SnapshotId id = session.commit(testing::draft_of(root)).snapshot->id;
      expected[id] = files;
      return id;
    };
    const SnapshotId old = put();
    for (const char* const name : {"file1", "file2", "file3"}) files.erase(name);
    put();
    repository_ = open("client");
    remove(*repository_, old);
  }
  for (const bool vouched : {false, true}) {
    SCOPED_TRACE(vouched);
    if (vouched) {
      // As good as a full author's, under the entry that was looked at; a new one is not.
      CheckOptions options;
      options.level = CheckLevel::data;
      options.threads = 1;
      run_check(*repository_, options, [](const CheckProgress&) {});
      repository_->refresh();
      ASSERT_TRUE(data_packs(*repository_).front().all_vouched ||
                  !data_packs(*repository_).front().vouched_blocks.empty());
    }
    const auto objects = test.store().copy();
    pass(kOverGrace);
    const CompactResult result = run(*repository_);
    EXPECT_EQ(asked(), 0U);
    EXPECT_EQ(result.store_moved_bytes, 0U);
    EXPECT_GT(result.written_bytes, 600'000U);
    verify("moved");
    run_to_the_end(*repository_);
    test.store().replace_all(objects);
    repository_ = open(fmt::format("client{}", vouched));
  }
}

TEST_F(CompactInTheStore, AnothersBlocksStayHis) {
  const crypto::PublicKey author = repository_->keyring().certificate().author;
  commit_half_dead(*repository_, 6);
  const auto maintainer = open_author("maintainer", 9);
  ASSERT_NE(maintainer->keyring().certificate().author, author);
  EXPECT_GT(run(*maintainer).store_moved_bytes, 600'000U);
  verify("moved");
  const auto moved = data_packs(*maintainer);
  ASSERT_EQ(moved.size(), 1U);
  EXPECT_EQ(moved[0].author, author);
  EXPECT_TRUE(moved[0].trusted);
  // And again, from a record that only carries it over.
  Files files = expected.begin()->second;
  expected.clear();
  const auto list = maintainer->snapshots()->snapshots;
  files.erase(files.begin());
  commit(*maintainer, files);
  for (const auto& listed : list) remove(*maintainer, listed.snapshot->id);
  pass(kOverGrace);
  EXPECT_GT(run(*maintainer).store_moved_bytes, 400'000U);
  verify("moved again");
  run_to_the_end(*maintainer);
}

TEST_F(CompactInTheStore, ADamagedPackIsLeftAlone) {
  commit_half_dead(*repository_, 6);
  const PackId id = data_packs(*repository_).front().description.id;
  const auto name = format::pack_name(id);
  Bytes pack = *test.store().find(name)->bytes;
  const auto live = repository_->index().find_pack(id).front().description.blocks.back();
  pack[live.offset + live.stored_bytes / 2] ^= std::byte{1};
  test.store().overwrite(name, std::move(pack));
  const CompactResult result = run(*repository_);
  EXPECT_EQ(asked(), 1U);
  EXPECT_EQ(result.store_moved_bytes, 0U);
  ASSERT_EQ(result.damaged.size(), 1U);
  EXPECT_EQ(result.damaged[0].first, id);
  pass(kOverGrace);
  run(*repository_);
  EXPECT_TRUE(test.store().find(name)) << "what is readable of it must stay";
}

TEST_F(CompactInTheStore, ALostReplyLeavesPacksThatNobodyNames) {
  commit_half_dead(*repository_, 6);
  test.faulty().order({.fault = testing::Fault::lose_reply, .call = Call::compact});
  EXPECT_EQ(error_of([&] { run(*repository_); }), "unavailable");
  verify("without a reply");
  EXPECT_GT(run(*repository_).store_moved_bytes, 600'000U);
  verify("moved");
  pass(kOverGrace);
  run(*repository_);
  run_to_the_end(*repository_);
}

/// A store that makes something else than it was told.
class WilfulBackend final : public backends::ForwardingBackend, private backends::StoreServices {
 public:
  using ForwardingBackend::ForwardingBackend;
  backends::StoreServices* services() noexcept override { return this; }

  std::function<void(backends::CompactionPlan&)> change;
  std::function<void(backends::CompactionAnswer&)> change_answer;
  bool refuses = false;

 private:
  std::optional<backends::StoreHistory> history(
      const std::optional<format::ChainHead>& known) override {
    return inner().services()->history(known);
  }
  std::optional<backends::CompactionAnswer> compact(const backends::CompactionPlan& plan) override {
    if (refuses) return std::nullopt;
    backends::CompactionPlan changed = plan;
    if (change) change(changed);
    auto answer = inner().services()->compact(changed);
    if (answer && change_answer) change_answer(*answer);
    return answer;
  }
};

TEST_F(CompactInTheStore, WhatIsNotAsItWasToldIsNotBelieved) {
  commit_half_dead(*repository_, 6);
  const auto objects = test.store().copy();
  const std::map<std::string, std::function<void(WilfulBackend&)>> ways{
      {"it does not do it", [](WilfulBackend& store) { store.refuses = true; }},
      {"a block too few",
       [](WilfulBackend& store) {
         store.change = [](backends::CompactionPlan& plan) {
           backends::BlockRun& run = plan.packs[0].sources[0].runs[0];
           run.bytes -= run.bytes / 3;
         };
       }},
      {"other blocks of the same lengths",
       [](WilfulBackend& store) {
         store.change = [](backends::CompactionPlan& plan) {
           plan.packs[0].sources[0].runs[0].offset = format::kPackHeaderBytes;
         };
       }},
      {"another size",
       [](WilfulBackend& store) {
         store.change_answer = [](backends::CompactionAnswer& answer) {
           ++answer.packs[0]->stored_bytes;
         };
       }},
      {"a pack that is not there", [](WilfulBackend& store) {
         store.change_answer = [](backends::CompactionAnswer& answer) {
           answer.packs[0]->id = PackId{sha256(bytes_of("nothing"))};
         };
       }}};
  for (const auto& [what, make] : ways) {
    SCOPED_TRACE(what);
    test.store().replace_all(objects);
    testing::MemoryBackend memory{test.shared_store()};
    WilfulBackend store{memory};
    make(store);
    OpenOptions options;
    const std::string directory = test.directory() + "/" + what;
    options.directories = {.cache = directory + "/cache", .state = directory + "/state"};
    options.host = "host";
    options.clock = &clock;
    const auto client = Repository::open(std::shared_ptr<backends::Backend>{&store, [](auto*) {}},
                                         TestRepository::full_key(), options);
    const CompactResult result = run(*client);
    EXPECT_EQ(result.store_moved_bytes, 0U);
    EXPECT_GT(result.written_bytes, 600'000U) << "then the client does it";
    EXPECT_EQ(result.damaged.size(), 0U);
    verify(what);
  }
}

TEST_F(Compact, AnIngestKeyCannotCompact) {
  test.add_ingest_slot("host");
  const auto client = test.open(TestRepository::ingest_key(), "web");
  EXPECT_EQ(error_of([&] { run(*client); }), "denied");
}

}  // namespace
}  // namespace vgerfs::repo
