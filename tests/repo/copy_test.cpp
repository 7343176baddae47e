#include "repo/copy.h"

#include <filesystem>

#include <gtest/gtest.h>

#include "backup_run.h"
#include "damage.h"
#include "file_tree.h"
#include "maintenance_world.h"
#include "repo/maintenance/annotation.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::Files;
using testing::MaintenanceWorld;
using testing::random_files;
using testing::TestRepository;

class Copies : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { testing::keep_temporary_directories_in_memory(); }

  ListedSnapshot copy(Repository& from, Repository& to, const SnapshotId& id,
                      std::stop_token stop = {}) {
    NoProgress progress;
    CopyOptions options;
    options.threads = 1;
    options.stop = std::move(stop);
    return copy_snapshot(from, to, find(from, id), options, progress);
  }
  static ListedSnapshot find(Repository& repository, const SnapshotId& id) {
    for (const auto list = repository.snapshots(); const ListedSnapshot& listed : list->snapshots) {
      if (listed.snapshot->id == id) return listed;
    }
    throw Error{ErrorCode::not_found, "no such snapshot"};
  }
  static CopyPlan plan(Repository& from, Repository& to) {
    from.refresh();
    to.refresh();
    return plan_copy(from, to, from.snapshots()->snapshots);
  }
  void copied(const ListedSnapshot& made, const Files& files) {
    there_.expected[made.snapshot->id] = files;
  }

  MaintenanceWorld here_;
  MaintenanceWorld there_;
};

TEST_F(Copies, HoldWhatTheOriginalsHold) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  const Files files = random_files(1, 5);
  const SnapshotId id = here_.commit(*from, files);
  set_properties(*from, {{id, Tags{{"weekly"}}}});
  here_.clock.advance(std::chrono::hours{30});
  there_.clock.advance(std::chrono::hours{50});
  const ListedSnapshot made = copy(*from, *to, id);
  copied(made, files);
  there_.verify();
  const ListedSnapshot original = find(*from, id);
  EXPECT_EQ(made.snapshot->host, "host");
  EXPECT_EQ(made.snapshot->source, "home");
  EXPECT_EQ(made.snapshot->time, original.snapshot->time);
  EXPECT_EQ(made.tags, original.tags);
  EXPECT_EQ(made.snapshot->trigger, "copy of " + from->config().repository.hex() + "/" + id.hex());
  EXPECT_NE(made.snapshot->root.subtree(), original.snapshot->root.subtree())
      << "the name is that of the other keys";
}

TEST_F(Copies, OfARealTreeRestoreToTheSame) {
  const testing::TemporaryDirectory files;
  const std::string root = files / "root";
  std::filesystem::create_directory(root);
  testing::make_nasty_tree(root, 30, 200, 16 << 20);
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  const auto made = testing::backup(*from, testing::backup_options({root}));
  const ListedSnapshot first = copy(*from, *to, made.snapshot.value());
  testing::restore(*to, first.snapshot->root, {.target = files / "target"});
  EXPECT_EQ(
      testing::differences(testing::describe_tree(root), testing::describe_tree(files / "target")),
      "");
  // Once more, now with one to build upon.
  testing::write_file(root + "/new", "new");
  std::filesystem::remove(root + "/old");
  testing::write_file(root + "/nanoseconds", "changed");
  const auto again = testing::backup(*from, testing::backup_options({root}));
  const ListedSnapshot second = copy(*from, *to, again.snapshot.value());
  EXPECT_EQ(second.snapshot->parent, first.snapshot->id);
  testing::restore(*to, second.snapshot->root, {.target = files / "second"});
  EXPECT_EQ(
      testing::differences(testing::describe_tree(root), testing::describe_tree(files / "second")),
      "");
}

TEST_F(Copies, StoreAndReadOnlyWhatIsNew) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  Files files = random_files(1, 40, 100'000);
  const SnapshotId first = here_.commit(*from, files);
  copied(copy(*from, *to, first), files);
  const std::uint64_t stored = there_.stored_bytes();
  here_.clock.advance(std::chrono::hours{1});
  files["another"] = testing::random_bytes(99, 1000);
  const SnapshotId second = here_.commit(*from, files);
  // Nothing is in the memory of this one.
  const auto fresh = here_.open("fresh");
  const std::uint64_t calls = here_.test.faulty().calls();
  copied(copy(*fresh, *to, second), files);
  EXPECT_LT(here_.test.faulty().calls() - calls, 12U) << "it reads what it has copied before";
  EXPECT_LT(there_.stored_bytes() - stored, 60'000U);
  there_.verify();
}

TEST_F(Copies, AreMadeOnce) {
  const auto a = here_.open("client");
  const auto b = there_.open("client");
  MaintenanceWorld third;
  const auto c = third.open("client");
  const SnapshotId id = here_.commit(*a, random_files(1, 2));
  EXPECT_EQ(plan(*a, *b).wanted.size(), 1U);
  const SnapshotId in_b = copy(*a, *b, id).snapshot->id;
  EXPECT_EQ(plan(*a, *b).wanted.size(), 0U);
  EXPECT_EQ(plan(*a, *b).skipped.size(), 1U);
  EXPECT_EQ(plan(*b, *a).wanted.size(), 0U) << "it came from there";
  const ListedSnapshot in_c = copy(*b, *c, in_b);
  EXPECT_EQ(origin_of(*in_c.snapshot, c->config().repository),
            (SnapshotOrigin{a->config().repository, id}));
  EXPECT_EQ(plan(*a, *c).wanted.size(), 0U) << "it came by another way";
  EXPECT_EQ(error_of([&] { plan_copy(*a, *a, {}); }), "usage");
}

TEST_F(Copies, OfWhichOnlyAnIngestAuthorSaysSoAreNone) {
  const auto from = here_.open("client");
  const SnapshotId id = here_.commit(*from, random_files(1, 2));
  there_.test.add_ingest_slot("host");
  {
    const auto liar = there_.test.open(TestRepository::ingest_key(), "liar");
    Session session{*liar, MaintenanceWorld::session_options()};
    SnapshotDraft draft =
        testing::draft_of(testing::put_files(session, liar->keyring(), random_files(7, 1)));
    draft.trigger = "copy of " + from->config().repository.hex() + "/" + id.hex();
    session.commit(draft);
  }
  const auto to = there_.open("client");
  EXPECT_EQ(plan(*from, *to).wanted.size(), 1U);
  const ListedSnapshot made = copy(*from, *to, id);
  EXPECT_EQ(made.snapshot->parent, std::nullopt) << "it builds upon a lie";
}

TEST_F(Copies, OfWhatIsDamagedAreNotMade) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  const SnapshotId id = here_.commit(*from, random_files(1, 2));
  const auto pack = testing::largest(here_.test.store());
  testing::flip(here_.test.store(), pack, here_.test.store().find(pack)->bytes->size() / 2);
  const auto fresh = here_.open("fresh");
  EXPECT_EQ(error_of([&] { copy(*fresh, *to, id); }), "corrupt");
  to->refresh();
  EXPECT_TRUE(to->snapshots()->snapshots.empty());
  there_.verify();
}

TEST_F(Copies, HashWhatTheyReadWhoeverSealedIt) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  const Bytes claimed = testing::random_bytes(1, 1000);
  Session session{*from, MaintenanceWorld::session_options()};
  Bytes sealed;
  BlockEntry block =
      testing::poisoned_block(*from, claimed, testing::random_bytes(2, 1000), sealed);
  session.adopt_block(std::move(block), sealed);
  Entry file;
  file.set_name("file");
  file.set_type(EntryType::ENTRY_FILE);
  ExtentListBuilder extents{session};
  extents.add({.bytes = 1000,
               .chunk = from->keyring().chunk_id(ChunkKind::data, claimed),
               .chunk_offset = 0});
  extents.finish(file);
  DirectoryBuilder builder{session, from->keyring().split_key()};
  builder.add(file);
  Entry root = testing::plain_root();
  root.set_subtree(builder.finish()->raw());
  const SnapshotId id = session.commit(testing::draft_of(root)).snapshot->id;
  EXPECT_EQ(error_of([&] { copy(*from, *to, id); }), "corrupt");
}

TEST_F(Copies, OfATreeThatNamesItselfTwiceAtEachLevelTakeNoTime) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  Session session{*from, MaintenanceWorld::session_options()};
  Entry root = testing::put_files(session, from->keyring(), random_files(1, 1, 100));
  for (int level = 0; level < 60; ++level) {
    DirectoryBuilder builder{session, from->keyring().split_key()};
    for (const char* name : {"a", "b"}) {
      Entry directory = root;
      directory.set_name(name);
      builder.add(directory);
    }
    root.set_subtree(builder.finish()->raw());
  }
  const SnapshotId id = session.commit(testing::draft_of(root)).snapshot->id;
  const ListedSnapshot made = copy(*from, *to, id);
  EXPECT_TRUE(find_path(to->reader(), made.snapshot->root, "a/b/a/b/a/b"));
}

TEST_F(Copies, AreStoppedWithoutASnapshot) {
  const auto from = here_.open("client");
  const auto to = there_.open("client");
  const SnapshotId id = here_.commit(*from, random_files(1, 2));
  std::stop_source stop;
  stop.request_stop();
  EXPECT_EQ(error_of([&] { copy(*from, *to, id, stop.get_token()); }), "interrupted");
  to->refresh();
  EXPECT_TRUE(to->snapshots()->snapshots.empty());
  EXPECT_TRUE(there_.test.store().names(format::ObjectType::lock).empty());
}

}  // namespace
}  // namespace vgerfs::repo
