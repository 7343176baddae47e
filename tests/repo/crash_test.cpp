// Whatever call of the store fails, and however: nothing that was promised is lost, and the next
// run of the same operation completes.
#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backup_run.h"
#include "crash_world.h"
#include "damage.h"
#include "file_tree.h"
#include "maintenance_world.h"
#include "repo/copy.h"
#include "repo/maintenance/annotation.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/prune.h"
#include "repo/maintenance/rebuild_index.h"
#include "repo/maintenance/removal.h"
#include "repo/maintenance/repair.h"
#include "repo/maintenance/undelete.h"
#include "support/error_of.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::Crash;
using testing::Fault;
using testing::Files;
using testing::kWays;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::TestRepository;
using testing::Way;

constexpr auto kHour = MaintenanceWorld::kHour;
constexpr std::size_t kFileBytes = 3000;

INSTANTIATE_TEST_SUITE_P(AtEveryCall, Crash, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

TEST_P(Crash, OfASession) {
  const auto repository = open("client");
  const Files before = random_files(1, 3, kFileBytes);
  commit(*repository, before);
  Files files = random_files(2, 4, kFileBytes);
  at_every_call(
      [&](Repository& victim) {
        possible_new = {files};
        Session session{victim, session_options()};
        testing::put_files(session, victim.keyring(), random_files(2, 2, kFileBytes));
        session.checkpoint();
        const Entry root = testing::put_files(session, victim.keyring(), files);
        expected[session.commit(testing::draft_of(root)).snapshot->id] = files;
      },
      10);
}

/// A directory on this machine that is backed up, and what it holds.
class CrashOfABackup : public Crash {
 protected:
  void write(const std::string& name, const Bytes& bytes) {
    testing::write_file(directory_ / name, text_of(bytes));
    testing::set_mtime(directory_ / name, 1'700'000'000 + ++changes_);
    files_[name] = bytes;
  }
  void backup(Repository& repository) {
    BackupOptions options = testing::backup_options({directory_.path()});
    options.read_threads = options.seal_threads = 1;
    possible_new.push_back(files_);
    expected[testing::backup(repository, options).snapshot.value()] = files_;
  }
  void run(const Credential& credential) {
    write("a", testing::random_bytes(1, kFileBytes));
    write("b", testing::random_bytes(2, kFileBytes));
    backup(*test.open(credential, "warm"));
    write("b", testing::random_bytes(3, kFileBytes));
    write("c", testing::random_bytes(4, kFileBytes));
    at_every_call([&](Repository& victim) { backup(victim); }, 10,
                  [&](Repository& client) {
                    // What it remembers of the run that failed must not be more than is stored.
                    const auto held = files_;
                    write("d", testing::random_bytes(5, kFileBytes));
                    backup(client);
                    std::filesystem::remove(directory_ / "d");
                    files_ = held;
                  },
                  credential);
  }

  testing::TemporaryDirectory directory_;
  Files files_;
  std::int64_t changes_ = 0;
};

INSTANTIATE_TEST_SUITE_P(AtEveryCall, CrashOfABackup, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

TEST_P(CrashOfABackup, WithAFullKey) { run(TestRepository::full_key()); }

TEST_P(CrashOfABackup, WithAnIngestKey) {
  test.add_ingest_slot("host");
  run(TestRepository::ingest_key());
}

TEST_P(Crash, OfACopy) {
  MaintenanceWorld other;
  const auto from = other.open("client");
  const Files first = random_files(1, 3, kFileBytes);
  const Files second = random_files(2, 3, kFileBytes);
  std::map<SnapshotId, Files> originals;
  originals[other.commit(*from, first)] = first;
  other.clock.advance(kHour);
  originals[other.commit(*from, second)] = second;
  at_every_call(
      [&](Repository& victim) {
        possible_new = {first, second};
        NoProgress progress;
        const CopyPlan plan = plan_copy(*from, victim, from->snapshots()->snapshots);
        for (const ListedSnapshot& listed : plan.wanted) {
          const ListedSnapshot made =
              copy_snapshot(*from, victim, listed, {.threads = 1, .stop = {}}, progress);
          expected[made.snapshot->id] = originals.at(listed.snapshot->id);
        }
      },
      20,
      [&](Repository& client) {
        EXPECT_EQ(plan_copy(*from, client, from->snapshots()->snapshots).skipped.size(), 2U);
      });
}

TEST_P(Crash, OfADeletionAndAHold) {
  const auto repository = open("client");
  const Files files = random_files(1, 2, kFileBytes);
  const SnapshotId first = commit(*repository, files);
  const SnapshotId second = commit(*repository, random_files(2, 2, kFileBytes));
  at_every_call(
      [&](Repository& victim) {
        doubt(first, files);
        set_properties(victim, {{second, Hold{true}}});
        EXPECT_THAT(remove_snapshots(victim, {first}), ::testing::ElementsAre(first));
        possible.erase(first);
      },
      6);
}

TEST_P(Crash, OfAnUndeletion) {
  const auto repository = open("client");
  const Files files = random_files(1, 2, kFileBytes);
  const SnapshotId first = commit(*repository, files);
  commit(*repository, random_files(2, 2, kFileBytes));
  remove_snapshots(*repository, {first});
  expected.erase(first);
  for (const int hours : {1, 30}) {
    SCOPED_TRACE(fmt::format("after {} hours", hours));
    pass(std::chrono::hours{hours});
    at_every_call(
        [&](Repository& victim) {
          doubt(first, files);
          victim.refresh();
          const auto list = victim.snapshots();
          const bool is_back =
              std::any_of(list->snapshots.begin(), list->snapshots.end(),
                          [&](const auto& listed) { return listed.snapshot->id == first; });
          if (!is_back) undelete(victim, first, {});
          expected[first] = files;
        },
        6);
    // The last one of them brought it back.
    remove_snapshots(*open("client"), {first});
    expected.erase(first);
    possible.clear();
  }
}

TEST_P(Crash, OfAPrune) {
  const auto repository = open("client");
  std::map<SnapshotId, Files> old;
  for (std::uint64_t i = 0; i < 3; ++i) {
    const Files files = random_files(10 * i, 2, kFileBytes);
    old[commit(*repository, files)] = files;
    clock.advance(kHour);
  }
  const SnapshotId newest = commit(*repository, random_files(100, 2, kFileBytes));
  at_every_call(
      [&](Repository& victim) {
        for (const auto& [id, files] : old) doubt(id, files);
        const auto lease = ExclusiveLease::acquire(victim);
        PruneOptions options;
        options.rules.last = 1;
        execute(plan_prune(victim, options), victim, *lease);
        possible.clear();
      },
      8);
  EXPECT_TRUE(expected.contains(newest));
}

TEST_P(Crash, OfACheckThatVouches) {
  test.add_ingest_slot("host");
  const Files files = random_files(1, 2, kFileBytes);
  {
    const auto client = test.open(TestRepository::ingest_key(), "web");
    commit(*client, files);
  }
  at_every_call(
      [&](Repository& victim) {
        CheckOptions options;
        options.level = CheckLevel::data;
        options.threads = 1;
        const CheckResult result = run_check(victim, options, [](const CheckProgress&) {});
        if (!result.vouch_failure.empty()) {
          throw Error{ErrorCode::unavailable, std::string{result.vouch_failure}};
        }
      },
      8,
      [&](Repository& client) {
        EXPECT_TRUE(client.index().find_pack(data_pack())[0].all_vouched);
      });
}

TEST_P(Crash, OfAKeyThatIsAddedAndOneThatIsRemoved) {
  commit(*open("client"), random_files(1, 2, kFileBytes));
  std::optional<format::ObjectName> added;
  at_every_call(
      [&](Repository& victim) {
        if (added) victim.backend().remove(*added);
        added = TestRepository::add_ingest_slot(victim, "host");
        EXPECT_FALSE(test.open(TestRepository::ingest_key(), "web")->can_read());
      },
      2);
}

TEST_P(Crash, OfAnInit) {
  const Way& way = GetParam();
  for (std::uint64_t nth = 1;; ++nth) {
    SCOPED_TRACE(fmt::format("call {}", nth));
    const auto store = std::make_shared<testing::MemoryStore>(&clock);
    const auto init = [&](backends::Backend& backend) {
      Repository::init(backend, TestRepository::full_key(), {}, crypto::system_random(), clock);
    };
    testing::ForgettingBackend memory{store};
    testing::FaultyBackend faulty{memory};
    faulty.order({.fault = way.fault, .nth = nth, .code = way.code});
    try {
      init(faulty);
    } catch (const Error&) {
    } catch (const testing::Killed&) {
    }
    if (way.torn) memory.crash(nth);
    testing::MemoryBackend again{store};
    const std::string_view failure = testing::error_of([&] { return init(again), 0; });
    EXPECT_TRUE(failure == "none" || failure == "exists") << failure;
    TestRepository client{store, clock};
    EXPECT_NO_THROW(client.open(TestRepository::full_key(), "client"));
    if (faulty.calls() < nth) break;
    ASSERT_LT(nth, 50U);
  }
}

/// What repair and rebuild-index begin with: objects are lost or damaged.
class CrashOfAMending : public Crash {
 protected:
  /// Remembers what is there: none of it may be deleted or changed, whatever fails.
  void begin_damaged() {
    const auto before = test.store().copy();
    std::set<std::string> readable;
    read_all([&](const std::string& file) { readable.insert(file); });
    Crash::begin_damaged([this, before, readable](const std::string& what) {
      for (const auto& [name, object] : before) {
        if (name.type == ObjectType::lock) continue;
        const auto now = test.store().find(name);
        ASSERT_TRUE(now) << what << ": it deleted " << name.path();
        EXPECT_EQ(*now->bytes, *object.bytes) << what;
      }
      std::set<std::string> lost = readable;
      read_all([&](const std::string& file) { lost.erase(file); });
      EXPECT_TRUE(lost.empty()) << what << ": cannot be read any more: " << *lost.begin();
    });
  }

 private:
  /// Calls `each` for the files of all snapshots whose content can be read, by a client that knows
  /// nothing.
  void read_all(const std::function<void(const std::string& file)>& each) {
    const auto reader =
        test.open(TestRepository::full_key(), fmt::format("reader{}", ++readers_), true);
    for (const auto& [id, files] : expected) {
      for (const auto& [name, bytes] : files) {
        const ChunkId chunk = reader->keyring().chunk_id(ChunkKind::data, bytes);
        try {
          if (reader->reader().get(ChunkKind::data, chunk) == bytes) {
            each(id.hex() + ":" + name);
          } else {
            ADD_FAILURE() << "a wrong byte in " << name;
          }
        } catch (const Error&) {
          // It is lost, or the record of it is.
        }
      }
    }
  }

  int readers_ = 0;
};

INSTANTIATE_TEST_SUITE_P(AtEveryCall, CrashOfAMending, ::testing::ValuesIn(kWays),
                         [](const auto& way) { return way.param.name; });

TEST_P(CrashOfAMending, ThatRebuildsTheIndex) {
  const auto repository = open("client");
  commit(*repository, random_files(1, 3, kFileBytes));
  const auto lost = test.store().names(ObjectType::index).front();
  commit(*repository, random_files(10, 3, kFileBytes));
  const auto after = test.store().names(ObjectType::index);
  const auto damaged = after.front() == lost ? after.back() : after.front();
  remove(*repository, commit(*repository, random_files(20, 1, kFileBytes)));
  test.store().erase(lost);
  testing::flip(test.store(), damaged, 200);
  begin_damaged();
  at_every_call(
      [&](Repository& victim) {
        const auto lease = ExclusiveLease::acquire(victim);
        RebuildOptions options;
        options.threads = 1;
        execute(plan_rebuild(victim, *lease, options, {}), victim, *lease, options, {}, {});
      },
      10);
}

TEST_P(CrashOfAMending, ThatRepairs) {
  constexpr std::size_t kBlockBytes = 130'000;  // of its own
  const auto repository = open("client");
  const Files damaged = random_files(1, 3, kBlockBytes);
  const Files missing = random_files(10, 2, kFileBytes);
  Files both = damaged;
  both.insert(missing.begin(), missing.end());
  commit(*repository, damaged);
  const auto damaged_pack = testing::largest(test.store());
  commit(*repository, missing);
  const SnapshotId lost = commit(*repository, random_files(20, 1, kFileBytes));
  commit(*repository, random_files(30, 1, kFileBytes));
  testing::flip(test.store(), damaged_pack, kBlockBytes);
  const ChunkId gone = repository->keyring().chunk_id(ChunkKind::data, missing.begin()->second);
  test.store().erase(format::pack_name(repository->index().find(gone).front().pack));
  test.store().erase(format::snapshot_name(lost));
  expected.erase(lost);
  begin_damaged();
  at_every_call(
      [&](Repository& victim) {
        RepairOptions options;
        options.read_data = true;
        options.threads = 1;
        repair(victim, options, false, [](const CheckProgress&) {});
        // Now a backup of the same data heals it.
        possible_new = {both};
        commit(victim, both, "again");
      },
      25);
}

/// A repository on which one compaction has to do everything that it can do.
class CrashOfACompaction : public Crash {
 protected:
  CompactResult compact(Repository& repository, bool dry_run = false, bool now = false) {
    CompactOptions options;
    options.threads = 1;
    options.now = now;
    options.pack_bytes = pack_bytes_;
    return repo::compact(repository, options, dry_run, {}, {});
  }
  void remove_later(const SnapshotId& id) { remove(*repository_, id); }
  Files files(std::uint64_t seed, int count) { return random_files(seed, count, kFileBytes); }
  /// Records that say little.
  void make_records(const SnapshotId& of) {
    for (int i = 0; i < 16; ++i) {
      set_properties(*repository_, {{of, Tags{{fmt::format("tag{}", i)}}}});
    }
  }

  void make_world() {
    const SnapshotId base = commit(*repository_, files(1000, 2));
    const SnapshotId buried = commit(*repository_, files(0, 2));
    const SnapshotId dead = commit(*repository_, files(10, 2));
    const Files reused_files = files(20, 2);
    const SnapshotId reused = commit(*repository_, reused_files);
    make_records(base);
    remove_later(buried);
    pass(25 * kHour);
    ASSERT_EQ(compact(*repository_).condemned_packs, 2U);
    remove_later(dead);
    remove_later(reused);
    make_records(base);
    pass(25 * kHour);
    const auto with_buried = test.store().copy();
    const auto other = open("other");
    std::optional<Session> session{std::in_place, *other, session_options("etc")};
    const Entry root = testing::put_files(*session, other->keyring(), reused_files);
    const CompactResult second = compact(*repository_);
    ASSERT_EQ(second.condemned_packs, 4U);
    ASSERT_EQ(second.deleted_packs, 2U);
    expected[session->commit(testing::draft_of(root)).snapshot->id] = reused_files;
    session.reset();
    for (const auto& [name, object] : with_buried) {
      if (name.type == ObjectType::pack && !test.store().find(name)) test.store().put(name, object);
    }
    Files wasted = files(30, 5);
    repository_->refresh();
    const SnapshotId wasteful = commit(*repository_, wasted);
    wasted.erase("file31");
    wasted.erase("file32");
    commit(*repository_, wasted);
    remove_later(wasteful);
    remove_later(commit(*repository_, files(40, 2)));
    {
      const auto lost = open("lost");
      test.faulty().order(
          {.fault = Fault::fail, .call = testing::Call::write, .type = ObjectType::index});
      Session orphaning{*lost, session_options("lost")};
      testing::put_files(orphaning, lost->keyring(), files(50, 2));
      EXPECT_EQ(testing::error_of([&] { orphaning.checkpoint(); }), "unavailable");
    }
    make_records(base);
    pass(25 * kHour);
  }

  /// Compacts until there is nothing left to do.
  void to_the_end(Repository& repository) {
    CompactResult result;
    for (int round = 0; round < 5; ++round) {
      pass(25 * kHour);
      result = compact(repository);
      if (result.plan.empty()) return;
    }
    ADD_FAILURE() << "it does not come to an end";
  }

  std::size_t pack_bytes_ = CompactOptions{}.pack_bytes;
  std::unique_ptr<Repository> repository_ = open("client");
};

// It has many calls, and one code of a failing store is to it like another.
INSTANTIATE_TEST_SUITE_P(AtEveryCall, CrashOfACompaction,
                         ::testing::ValuesIn(std::begin(kWays) + 1, std::end(kWays)),
                         [](const auto& way) { return way.param.name; });

TEST_P(CrashOfACompaction, ThatDoesEverything) {
  make_world();
  ASSERT_FALSE(HasFatalFailure());
  const CompactPlan plan = compact(*repository_, true).plan;
  EXPECT_FALSE(plan.repack.empty());
  EXPECT_FALSE(plan.condemn.empty());
  EXPECT_FALSE(plan.orphans.empty());
  EXPECT_FALSE(plan.rescue.empty());
  EXPECT_FALSE(plan.bury.empty());
  EXPECT_FALSE(plan.leftovers.empty());
  EXPECT_FALSE(plan.snapshots.empty());
  EXPECT_FALSE(plan.records.empty());
  EXPECT_FALSE(plan.merge.empty());
  at_every_call([&](Repository& victim) { compact(victim); }, 40,
                [&](Repository& client) { to_the_end(client); });
}

TEST_P(CrashOfACompaction, WhoseBlocksTheStoreMoves) {
  test.store().offer_compaction();
  pack_bytes_ = std::size_t{1} << 20;
  constexpr std::size_t kBlockBytes = 140'000;  // a file of that size is a block by itself
  Files wasted = random_files(30, 5, kBlockBytes);
  const SnapshotId wasteful = commit(*repository_, wasted);
  wasted.erase("file31");
  wasted.erase("file32");
  commit(*repository_, wasted);
  remove_later(wasteful);
  pass(25 * kHour);
  std::uint64_t moved = 0;
  at_every_call(
      [&](Repository& victim) { moved = std::max(moved, compact(victim).store_moved_bytes); }, 10,
      [&](Repository& client) { to_the_end(client); });
  EXPECT_GT(moved, 3 * kBlockBytes);
}

TEST_P(CrashOfACompaction, WithoutPatience) {
  const SnapshotId old = commit(*repository_, files(1, 3));
  commit(*repository_, files(3, 3));
  remove_later(old);
  at_every_call([&](Repository& victim) { compact(victim, false, true); }, 10,
                [&](Repository& client) { to_the_end(client); });
}

}  // namespace
}  // namespace vgerfs::repo
