#include <sys/stat.h>

#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/sqlite.h"
#include "ingest_world.h"
#include "support/fixed_random.h"

namespace vgerfs::fs {
namespace {

using testing::code;
using ::testing::ElementsAre;
using testing::failure_of;
using testing::IngestClient;
using testing::IngestWorld;
using ::testing::IsEmpty;
using testing::random_bytes;
using testing::random_text;
using ::testing::UnorderedElementsAre;

/// Every rule holds with both kinds of keys.
class Ingest : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { mount(); }
  void mount() {
    client_.reset();
    client_ = world_.mount();
  }
  void commit(const std::string& source = "x") { client_->view().commit(source, "test"); }
  /// A snapshot with this one file.
  void commit_file(const std::string& name, const std::string& text) {
    if (!client_->exists("x")) client_->mkdir("x");
    client_->write_file("x/" + name, text);
    commit();
  }
  std::string latest(const std::string& path) { return world_.latest("x")->at(path).content; }

  IngestWorld world_{GetParam()};
  std::unique_ptr<IngestClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Keys, Ingest, ::testing::Values(false, true),
                         [](const auto& key) { return key.param ? "IngestKey" : "FullKey"; });

TEST_P(Ingest, PublishesWhatWasWritten) {
  client_->mkdir("x", 0750);
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "content", 0640);
  client_->symlink("target", "x/l");
  client_->set_mtime("x/d/f", {-5, 7});
  const CommitReport report = client_->view().commit("x", "test");
  EXPECT_TRUE(report.changed);
  const auto tree = world_.latest("x");
  ASSERT_TRUE(tree);
  EXPECT_EQ(tree->size(), 4U);
  EXPECT_EQ(tree->at("").mode, mode_t{S_IFDIR | 0750});
  EXPECT_EQ(tree->at("d/f").content, "content");
  EXPECT_EQ(tree->at("d/f").mode, mode_t{S_IFREG | 0640});
  EXPECT_EQ(tree->at("d/f").mtime, (Timestamp{-5, 7}));
  EXPECT_EQ(tree->at("l").content, "target");
}

TEST_P(Ingest, ShowsTheLastSnapshotAfterARemount) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "content");
  client_->set_xattr("x/d/f", "user.short", "value");
  client_->set_xattr("x/d/f", "user.long", std::string(5000, 'v'));
  commit();
  const auto before = client_->see("x");
  mount();
  EXPECT_THAT(client_->list(""), ElementsAre("x"));
  const auto after = client_->see("x");
  EXPECT_EQ(after.size(), before.size());
  EXPECT_EQ(after.at("d/f").content, "7") << "its size";
  EXPECT_EQ(after.at("d/f").xattrs.at("user.short"), "value");
  EXPECT_EQ(after.at("d/f").xattrs.at("user.long"), std::string(5000, 'v'));
  EXPECT_EQ(after.at("d/f").mtime, before.at("d/f").mtime);
}

TEST_P(Ingest, ChangesOnlyWhatWasChanged) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->mkdir("x/e");
  client_->write_file("x/d/f", "old");
  client_->write_file("x/e/g", "kept");
  commit();
  mount();
  client_->write_at("x/d/f", 0, "new!");
  client_->unlink("x/e/g");
  client_->write_file("x/e/h", "h");
  client_->rename("x/e", "x/moved");
  commit();
  const auto tree = world_.latest("x");
  EXPECT_EQ(tree->at("d/f").content, "new!");
  EXPECT_EQ(tree->at("moved/h").content, "h");
  EXPECT_FALSE(tree->contains("moved/g"));
  EXPECT_FALSE(tree->contains("e"));
}

TEST_P(Ingest, AnUnchangedTreeMakesNoSnapshotAndLeavesNothingBehind) {
  commit_file("f", "content");
  const std::size_t objects = world_.repository().store().names().size();
  const Timestamp time = client_->stat("x/f").mtime;
  // Changes and back.
  client_->chmod("x/f", client_->stat("x/f").mode & 07777);
  client_->set_mtime("x/f", time);
  EXPECT_EQ(client_->xattr("x", "user.vgerfs.state"), "clean");
  client_->write_file("x/g", "g");
  client_->unlink("x/g");
  client_->set_mtime("x", world_.latest("x")->at("").mtime);
  const CommitReport report = client_->view().commit("x", "test");
  EXPECT_FALSE(report.changed);
  EXPECT_EQ(world_.snapshots(), 1U);
  EXPECT_EQ(world_.repository().store().names().size(), objects);
  EXPECT_FALSE(client_->view().commit("x", "test").changed);
}

TEST_P(Ingest, ReadsBackWhatItReceivedAndNothingElse) {
  const std::string text = random_text(1, 3'000'000);
  client_->mkdir("x");
  client_->write_file("x/f", text);
  EXPECT_EQ(client_->read_file("x/f"), text);
  const fs::NodeId node = client_->node("x/f");
  const HandleId open = client_->open("x/f", O_RDONLY);
  commit();
  EXPECT_EQ(client_->read_failure("x/f"), EACCES);
  EXPECT_EQ(failure_of([&] { client_->read_at(node, open, 0, 10); }), EACCES)
      << "a handle opened before";
  client_->view().release(node, open);
  mount();
  EXPECT_EQ(client_->read_failure("x/f"), EACCES) << "after a remount";
  EXPECT_EQ(latest("f"), text);
}

TEST_P(Ingest, ReadsBackWhatDeduplicatesAgainstThePast) {
  const std::string text = random_text(1, 2'000'000);
  commit_file("f", text);
  mount();
  client_->write_file("x/again", text);
  EXPECT_EQ(client_->read_file("x/again"), text);
  EXPECT_EQ(client_->read_failure("x/f"), EACCES);
  commit();
  EXPECT_EQ(client_->read_failure("x/again"), EACCES);
  EXPECT_EQ(latest("again"), text);
}

TEST_P(Ingest, ReadsBackWithoutRoomInTheSpool) {
  const std::string text = random_text(1, 2'000'000);
  commit_file("f", text);
  client_.reset();
  IngestOptions options;
  options.spool_bytes = 300'000;
  client_ = world_.mount(options);
  client_->write_file("x/again", text);
  EXPECT_EQ(client_->read_file("x/again"), text);
  commit();
  EXPECT_EQ(latest("again"), text);
}

TEST_P(Ingest, AnOldFileOpenForReadingAndWritingYieldsNoOldByte) {
  commit_file("f", std::string(100, 'o'));
  mount();
  const NodeId node = client_->node("x/f");
  const HandleId handle = client_->open("x/f", O_RDWR);
  EXPECT_EQ(failure_of([&] { client_->read_at(node, handle, 0, 10); }), EACCES);
  client_->write(node, handle, 10, "new");
  EXPECT_EQ(client_->read_at(node, handle, 10, 50), "new") << "up to the first old byte";
  EXPECT_EQ(failure_of([&] { client_->read_at(node, handle, 9, 2); }), EACCES);
  EXPECT_EQ(client_->read_at(node, handle, 100, 10), "") << "beyond the end";
  client_->close(node, handle);
  EXPECT_EQ(failure_of([&] { client_->open("x/f", O_RDONLY); }), 0)
      << "there is something to read now";
}

TEST_P(Ingest, OpeningAnOldFileForReadingOnlyIsRefused) {
  client_->mkdir("x");
  client_->write_file("x/f", "old");
  client_->write_file("x/empty", "");
  client_->write_file("x/hole", "");
  client_->truncate("x/hole", 1 << 20);
  commit();
  mount();
  EXPECT_EQ(failure_of([&] { client_->open("x/f", O_RDONLY); }), EACCES);
  EXPECT_EQ(failure_of([&] { client_->open("x/f", O_WRONLY); }), 0);
  EXPECT_EQ(failure_of([&] { client_->open("x/f", O_RDWR); }), 0);
  EXPECT_EQ(client_->read_file("x/empty"), "");
  EXPECT_EQ(client_->read_file("x/hole"), std::string(1 << 20, '\0'));
}

TEST_P(Ingest, TruncatingAtOpenLeavesNoOldTail) {
  commit_file("f", "a long old content");
  mount();
  client_->write_at("x/f", 0, "short", O_WRONLY | O_TRUNC);
  EXPECT_EQ(client_->read_file("x/f"), "short");
  commit();
  EXPECT_EQ(latest("f"), "short");
}

TEST_P(Ingest, AppendsAndRewritesWithoutReadingTheOld) {
  const std::string text = random_text(1, 1'000'000);
  commit_file("f", text);
  mount();
  client_->write_at("x/f", 0, "appended", O_WRONLY | O_APPEND);
  client_->write_at("x/f", 500'000, "in the middle");
  const NodeId node = client_->node("x/f");
  const HandleId handle = client_->open("x/f", O_WRONLY);
  client_->view().preallocate(node, handle, PreallocateMode::punch_hole, 100'000, 100'000,
                              client_->caller);
  client_->view().preallocate(node, handle, PreallocateMode::zero_range, 700'000, 10,
                              client_->caller);
  client_->view().preallocate(node, handle, PreallocateMode::allocate, 1'100'000, 10,
                              client_->caller);
  client_->close(node, handle);
  commit();
  std::string expected = text + "appended";
  expected.replace(500'000, 13, "in the middle");
  expected.replace(100'000, 100'000, 100'000, '\0');
  expected.replace(700'000, 10, 10, '\0');
  expected.resize(1'100'010);
  EXPECT_EQ(latest("f"), expected);
}

TEST_P(Ingest, RandomWritesSurviveTheCommit) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  std::string expected(200'000, '\0');
  client_->truncate("x/f", expected.size());
  for (std::size_t i = 0; i < 100; ++i) {
    const std::size_t at = (i * 7919) % (expected.size() - 100);
    const std::string part = random_text(i, 1 + i);
    client_->write(file.node.node, file.opened.handle, at, part);
    expected.replace(at, part.size(), part);
  }
  EXPECT_EQ(client_->read_at(file.node.node, file.opened.handle, 0, expected.size()), expected);
  client_->close(file.node.node, file.opened.handle);
  EXPECT_GT(client_->view().status().at(0).spool_bytes, 0U);
  commit();
  EXPECT_EQ(latest("f"), expected);
  EXPECT_EQ(client_->view().status().at(0).spool_bytes, 0U);
}

TEST_P(Ingest, ARunningWriteMakesTheCommitBusyUntilItsClose) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  client_->write(file.node.node, file.opened.handle, 0, "half");
  client_->view().sync_file(file.node.node, file.opened.handle);
  EXPECT_EQ(failure_of([&] { commit(); }), EBUSY) << "fsync does not count as a close";
  std::thread closing{[&] {
    std::this_thread::sleep_for(std::chrono::milliseconds{300});
    client_->view().flush(file.node.node, file.opened.handle);
  }};
  EXPECT_EQ(failure_of([&] { commit(); }), 0);
  closing.join();
  // The handle is still open: the next write begins a new session.
  client_->write(file.node.node, file.opened.handle, 4, " more");
  client_->close(file.node.node, file.opened.handle);
  commit();
  EXPECT_EQ(latest("f"), "half more");
}

TEST_P(Ingest, AnUnlinkedFileThatIsBeingWrittenDoesNotHoldTheCommitUp) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  client_->write(file.node.node, file.opened.handle, 0, "temporary");
  client_->unlink("x/f");
  EXPECT_EQ(client_->read_at(file.node.node, file.opened.handle, 0, 100), "temporary");
  commit();
  EXPECT_EQ(failure_of([&] { client_->read_at(file.node.node, file.opened.handle, 0, 100); }),
            EACCES);
  client_->close(file.node.node, file.opened.handle);
  EXPECT_EQ(world_.latest("x")->size(), 1U);
}

TEST_P(Ingest, KeepsFilesOutOfItsRootAndSourcesInTheirPlace) {
  client_->mkdir("x");
  client_->mkdir("y");
  EXPECT_NE(client_->stat("x").inode, client_->stat("y").inode);
  client_->mkdir("x/d");
  client_->write_file("x/f", "f");
  EXPECT_EQ(failure_of([&] { client_->create("f"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->symlink("t", "l"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->rename("x", "z"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->rename("x/f", "f"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->rename("x/d", "d"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->link("x/f", "f"); }), EPERM);
  EXPECT_EQ(failure_of([&] { client_->link("x/f", "y/f"); }), EXDEV);
  EXPECT_EQ(failure_of([&] { client_->mkdir(".hidden"); }), EINVAL);
  EXPECT_EQ(failure_of([&] { client_->mkdir("a b"); }), EINVAL);
  EXPECT_EQ(failure_of([&] { client_->mkdir("x"); }), EEXIST);
}

TEST_P(Ingest, NamesFollowTheRulesOfDirectories) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "f");
  client_->write_file("x/g", "g");
  EXPECT_EQ(failure_of([&] { client_->rmdir("x/d"); }), ENOTEMPTY);
  EXPECT_EQ(failure_of([&] { client_->rmdir("x/g"); }), ENOTDIR);
  EXPECT_EQ(failure_of([&] { client_->unlink("x/d"); }), EISDIR);
  EXPECT_EQ(failure_of([&] { client_->unlink("x/none"); }), ENOENT);
  EXPECT_EQ(failure_of([&] { client_->rename("x/g", "x/d"); }), EISDIR);
  EXPECT_EQ(failure_of([&] { client_->rename("x/d", "x/g"); }), ENOTDIR);
  EXPECT_EQ(failure_of([&] { client_->rename("x/d", "x/d/below"); }), EINVAL);
  EXPECT_EQ(failure_of([&] { client_->rename("x/g", "x/d/f", RenameMode::no_replace); }), EEXIST);
  EXPECT_EQ(failure_of([&] { client_->rename("x/g", "x/none", RenameMode::exchange); }), ENOENT);
  EXPECT_EQ(failure_of([&] { client_->mkdir("x/" + std::string(256, 'n')); }), ENAMETOOLONG);
  EXPECT_EQ(failure_of([&] { client_->link("x/d", "x/e"); }), EPERM);
  commit();
  mount();
  EXPECT_EQ(failure_of([&] { client_->rmdir("x/d"); }), ENOTEMPTY)
      << "what only the base knows counts";
  client_->unlink("x/d/f");
  client_->rmdir("x/d");
  commit();
  EXPECT_EQ(world_.latest("x")->size(), 2U);
}

TEST_P(Ingest, RenamesOverAndExchanges) {
  client_->mkdir("x");
  client_->write_file("x/a", "a");
  client_->write_file("x/b", "b");
  commit();
  mount();
  client_->write_file("x/.a.tmp", "new a");
  const auto inode = client_->stat("x/.a.tmp").inode;
  client_->rename("x/.a.tmp", "x/a");
  EXPECT_EQ(client_->stat("x/a").inode, inode);
  client_->rename("x/a", "x/b", RenameMode::exchange);
  EXPECT_THAT(client_->list("x"), ElementsAre("a", "b"));
  commit();
  EXPECT_EQ(latest("a"), "b");
  EXPECT_EQ(latest("b"), "new a");
  EXPECT_EQ(world_.latest("x")->size(), 3U);
}

TEST_P(Ingest, RemovingAnEmptySourceDiscardsItsSession) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  EXPECT_EQ(failure_of([&] { client_->rmdir("x"); }), ENOTEMPTY);
  client_->unlink("x/f");
  client_->rmdir("x");
  EXPECT_FALSE(client_->exists("x"));
  EXPECT_EQ(world_.snapshots(), 0U);
  EXPECT_EQ(failure_of([&] { commit(); }), code(ErrorCode::not_found));
  client_->mkdir("x");
  client_->write_file("x/g", "g");
  commit();
  client_->unlink("x/g");
  client_->rmdir("x");
  EXPECT_TRUE(client_->exists("x/g")) << "the last snapshot reappears";
  EXPECT_EQ(world_.snapshots(), 1U);
}

TEST_P(Ingest, NothingReceivedCanBeReadAfterADiscard) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  client_->write(file.node.node, file.opened.handle, 0, "secret");
  client_->unlink("x/f");
  client_->rmdir("x");
  EXPECT_NE(failure_of([&] { client_->read_at(file.node.node, file.opened.handle, 0, 6); }), 0);
  EXPECT_EQ(failure_of([&] { client_->write(file.node.node, file.opened.handle, 0, "more"); }),
            ESTALE);
  client_->view().release(file.node.node, file.opened.handle);
}

TEST_P(Ingest, HardLinksAreOneInode) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/a", "content");
  client_->link("x/a", "x/d/b");
  client_->link("x/a", "x/c");
  EXPECT_EQ(client_->stat("x/d/b").link_count, 3U);
  EXPECT_EQ(client_->stat("x/a").inode, client_->stat("x/c").inode);
  commit();
  auto tree = world_.latest("x");
  EXPECT_NE(tree->at("a").group, 0U);
  EXPECT_EQ(tree->at("a").group, tree->at("d/b").group);
  EXPECT_EQ(tree->at("a").links, 3U);
  mount();
  EXPECT_EQ(client_->stat("x/a").inode, client_->stat("x/d/b").inode);
  EXPECT_EQ(client_->node("x/a"), client_->node("x/c"));
}

TEST_P(Ingest, AChangeUnderOneNameShowsUnderAllOthers) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->mkdir("x/d/e");
  client_->write_file("x/a", "content");
  client_->link("x/a", "x/d/e/b");
  client_->link("x/a", "x/c");
  commit();
  mount();
  client_->chmod("x/a", 0600);
  client_->write_at("x/a", 0, "C");
  commit();
  auto tree = world_.latest("x");
  for (const char* name : {"a", "d/e/b", "c"}) {
    EXPECT_EQ(tree->at(name).content, "Content") << name;
    EXPECT_EQ(tree->at(name).mode & 07777, 0600U) << name;
    EXPECT_EQ(tree->at(name).group, tree->at("a").group) << name;
  }
  mount();
  client_->rename("x/d", "x/moved");
  client_->unlink("x/a");
  commit();
  tree = world_.latest("x");
  EXPECT_EQ(tree->at("moved/e/b").links, 2U);
  EXPECT_EQ(tree->at("c").links, 2U);
  client_->unlink("x/c");
  commit();
  EXPECT_EQ(world_.latest("x")->at("moved/e/b").group, 0U) << "one name is no hard link";
}

TEST_P(Ingest, MovesFilesAndTreesToAnotherSource) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->mkdir("x/d/e");
  const std::string text = random_text(1, 500'000);
  client_->write_file("x/d/e/old", text);
  client_->write_file("x/d/a", "linked");
  client_->link("x/d/a", "x/d/e/b");
  client_->set_xattr("x/d/a", "user.long", std::string(4000, 'v'));
  commit();
  mount();
  client_->mkdir("y");
  client_->write_file("x/d/new", "received");
  client_->write_file("x/f", "file");
  client_->rename("x/d", "y/tree");
  client_->rename("x/f", "y/f");
  EXPECT_EQ(client_->read_file("y/tree/new"), "received");
  EXPECT_EQ(client_->read_file("y/f"), "file");
  EXPECT_EQ(client_->read_failure("y/tree/e/old"), EACCES);
  commit("y");
  EXPECT_EQ(client_->read_failure("y/f"), EACCES);
  commit("x");
  auto tree = world_.latest("y");
  EXPECT_EQ(tree->at("tree/e/old").content, text);
  EXPECT_EQ(tree->at("tree/new").content, "received");
  EXPECT_EQ(tree->at("f").content, "file");
  EXPECT_NE(tree->at("tree/a").group, 0U);
  EXPECT_EQ(tree->at("tree/a").group, tree->at("tree/e/b").group);
  EXPECT_EQ(tree->at("tree/e/b").xattrs.at("user.long"), std::string(4000, 'v'));
  EXPECT_EQ(world_.latest("x")->size(), 1U);
  mount();
  client_->chmod("y/tree/e", 0700);
  commit("y");
  EXPECT_EQ(world_.latest("y")->at("tree/e/old").content, text);
}

TEST_P(Ingest, WhatIsLookedUpWhileItMovesToAnotherSourceMovesWithIt) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "old");
  commit();
  client_->mkdir("y");
  mount();
  client_->mkdir("y");
  // The other source's chunks go to the store before the move: then somebody looks.
  client_->write_file("x/new", random_text(1, 100'000));
  NodeId seen = 0;
  world_.repository().faulty().before_next(testing::Call::barrier,
                                           [&] { seen = client_->node("x/d/f"); });
  client_->rename("x/d", "y/d");
  ASSERT_NE(seen, 0U) << "the test has lost its moment";
  const std::string text = random_text(2, 100'000);
  client_->write_at("y/d/f", 0, text);
  commit("y");
  // Nothing of it may lie in the session that it has left.
  client_->unlink("x/new");
  client_->rmdir("x");
  EXPECT_TRUE(world_.latest("y")->at("d/f").content == text);
}

TEST_P(Ingest, DoesNotTearAHardLinkBetweenTwoSources) {
  client_->mkdir("x");
  client_->mkdir("y");
  client_->mkdir("x/d");
  client_->write_file("x/a", "a");
  client_->link("x/a", "x/d/b");
  EXPECT_EQ(failure_of([&] { client_->rename("x/a", "y/a"); }), EXDEV);
  EXPECT_EQ(failure_of([&] { client_->rename("x/d", "y/d"); }), EXDEV);
  commit();
  mount();
  client_->mkdir("y");
  EXPECT_EQ(failure_of([&] { client_->rename("x/d", "y/d"); }), EXDEV)
      << "also when only the base knows";
}

TEST_P(Ingest, WritesByOthersTakeSetIdBitsAndCapabilities) {
  client_->mkdir("x", 0777);
  client_->write_file("x/f", "f");
  const auto prepare = [&] {
    client_->caller = {};
    client_->chmod("x/f", 06777);
    client_->set_xattr("x/f", "security.capability", "cap");
  };
  std::vector<NodeId> told;
  client_->view().set_invalidate_attributes([&](NodeId node) { told.push_back(node); });
  prepare();
  client_->write_at("x/f", 0, "g");
  EXPECT_EQ(client_->stat("x/f").mode & 07777, 06777U) << "root keeps the bits";
  EXPECT_EQ(client_->xattr("x/f", "security.capability"), std::nullopt)
      << "nobody keeps capabilities";
  const auto strips = [&](const char* what, auto act) {
    prepare();
    told.clear();
    client_->caller = {.uid = 1000, .gid = 1000};
    act();
    EXPECT_EQ(client_->stat("x/f").mode & 07777, 0777U) << what;
    EXPECT_EQ(client_->xattr("x/f", "security.capability"), std::nullopt) << what;
    EXPECT_THAT(told, ElementsAre(client_->node("x/f"))) << what;
  };
  strips("write", [&] { client_->write_at("x/f", 0, "g"); });
  strips("truncate", [&] { client_->truncate("x/f", 1); });
  strips("O_TRUNC", [&] { client_->write_at("x/f", 0, "", O_WRONLY | O_TRUNC); });
  strips("fallocate", [&] {
    const HandleId handle = client_->open("x/f", O_WRONLY);
    client_->view().preallocate(client_->node("x/f"), handle, PreallocateMode::allocate, 0, 10,
                                client_->caller);
    client_->close(client_->node("x/f"), handle);
  });
  prepare();
  client_->view().set_attributes(client_->node("x/f"), {}, {.uid = 5}, client_->caller);
  EXPECT_EQ(client_->stat("x/f").mode & 07777, 0777U) << "chown, even by root";
}

TEST_P(Ingest, NewFilesInheritGroupMaskAndAcl) {
  client_->mkdir("x", 0777);
  client_->mkdir("x/plain", 0777);
  client_->caller = {.uid = 1000, .gid = 1000, .pid = 0, .umask = 027};
  client_->write_file("x/plain/f", "", 0666);
  EXPECT_EQ(client_->stat("x/plain/f").mode & 07777, 0640U);
  EXPECT_EQ(client_->stat("x/plain/f").uid, 1000U);
  client_->caller = {};
  client_->mkdir("x/group", 0777);
  client_->view().set_attributes(client_->node("x/group"), {}, {.gid = 77}, client_->caller);
  client_->chmod("x/group", 02777);
  client_->caller = {.uid = 1000, .gid = 1000, .pid = 0, .umask = 0};
  client_->mkdir("x/group/d", 0755);
  client_->write_file("x/group/d/f", "");
  EXPECT_EQ(client_->stat("x/group/d").mode & 07777, 02755U);
  EXPECT_EQ(client_->stat("x/group/d/f").gid, 77U);
}

TEST_P(Ingest, OwnAttributesAreAnsweredButNeitherListedNorStored) {
  commit_file("f", "f");
  EXPECT_EQ(client_->xattr("x", "user.vgerfs.commit"), "fsync");
  EXPECT_EQ(client_->xattr("x", "user.vgerfs.state"), "clean");
  EXPECT_EQ(client_->xattr("x/f", "user.vgerfs.commit"), std::nullopt);
  client_->set_xattr("x", "user.vgerfs.commit", "explicit");
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x", "user.vgerfs.commit", "never"); }), EINVAL);
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x/f", "user.vgerfs.anything", "x"); }), EPERM);
  client_->write_file("x/g", "g");
  EXPECT_THAT(client_->view().list_xattrs(client_->node("x")), IsEmpty());
  client_->sync("x");
  EXPECT_EQ(world_.snapshots(), 1U) << "fsync does not commit any more";
  client_->view().remove_xattr(client_->node("x"), "user.vgerfs.commit", client_->caller);
  client_->sync("x");
  EXPECT_EQ(world_.snapshots(), 2U);
  EXPECT_THAT(world_.latest("x")->at("").xattrs, IsEmpty());
}

TEST_P(Ingest, AsManyExtendedAttributesAsAreTakenCanBeCommitted) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  std::size_t taken = 0;
  int refused = 0;
  for (; taken < 6000 && refused == 0; ++taken) {
    refused = failure_of([&] {
      client_->set_xattr("x/f", "user." + std::to_string(taken), std::string(1024, 'v'));
    });
  }
  EXPECT_EQ(refused, ENOSPC);
  for (std::size_t i = 0; refused == ENOSPC && i < 2000; ++i) {
    client_->set_xattr("x", "user." + std::to_string(i), std::string(i % 2 == 0 ? 100 : 2000, 'v'));
  }
  commit();
  EXPECT_EQ(world_.latest("x")->at("f").xattrs.size(), taken - 1);
}

TEST_P(Ingest, RefusesWhatNoFileSystemStores) {
  commit_file("f", "f");
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x/f", "system.other", "v"); }), EOPNOTSUPP);
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x/f", "plain", "v"); }), EOPNOTSUPP);
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x/f", "user.a", std::string(70'000, 'v')); }),
            E2BIG);
  EXPECT_EQ(failure_of([&] {
              client_->view().set_xattr(client_->node("x/f"), "user.a", {}, false, true, {});
            }),
            ENODATA);
  client_->set_xattr("x/f", "user.a", "v");
  EXPECT_EQ(failure_of([&] {
              client_->view().set_xattr(client_->node("x/f"), "user.a", {}, true, false, {});
            }),
            EEXIST);
  EXPECT_EQ(failure_of([&] { client_->set_xattr("x/f", "system.posix_acl_access", "nonsense"); }),
            EINVAL);
}

TEST_P(Ingest, ListsHugeDirectoriesWhileTheyAreEmptied) {
  client_->mkdir("x");
  constexpr int kFiles = 3000;
  for (int i = 0; i < kFiles; ++i)
    client_->view().release(0, client_->create("x/f" + std::to_string(i)).opened.handle);
  commit();
  mount();
  for (int i = 0; i < 100; ++i)
    client_->view().release(0, client_->create("x/new" + std::to_string(i)).opened.handle);
  EXPECT_EQ(client_->list("x").size(), kFiles + 100U);
  EXPECT_EQ(client_->list("x", true, 7).size(), kFiles + 100U);
  // As rm -rf does: remove what was shown, go on where the last one ended.
  const NodeId node = client_->node("x");
  const HandleId handle = client_->view().open_directory(node);
  std::uint64_t cookie = 0;
  std::size_t removed = 0;
  for (bool more = true; more;) {
    std::vector<std::string> names;
    client_->view().read_directory(node, handle, cookie, false, [&](const DirectoryItem& item) {
      if (names.size() == 50) return false;
      cookie = item.next_cookie;
      names.emplace_back(item.name);
      return true;
    });
    more = !names.empty();
    for (const std::string& name : names) {
      if (name == "." || name == "..") continue;
      client_->unlink("x/" + name);
      ++removed;
    }
  }
  client_->view().release_directory(node, handle);
  EXPECT_EQ(removed, kFiles + 100U);
  EXPECT_THAT(client_->list("x"), IsEmpty());
  commit();
  EXPECT_EQ(world_.latest("x")->size(), 1U);
}

TEST_P(Ingest, ACookieStaysValidWhenReadingGoesBack) {
  client_->mkdir("x");
  for (int i = 0; i < 20; ++i) client_->write_file("x/f" + std::to_string(i), "");
  const NodeId node = client_->node("x");
  const HandleId handle = client_->view().open_directory(node);
  std::vector<std::pair<std::string, std::uint64_t>> seen;
  const auto read_from = [&](std::uint64_t cookie) {
    seen.clear();
    client_->view().read_directory(node, handle, cookie, false, [&](const DirectoryItem& item) {
      seen.emplace_back(item.name, item.next_cookie);
      return true;
    });
  };
  read_from(0);
  const auto all = seen;
  ASSERT_EQ(all.size(), 22U);
  client_->unlink("x/" + all[5].first);
  for (std::size_t i = 6; i + 1 < all.size(); ++i) {
    read_from(all[i].second);
    ASSERT_FALSE(seen.empty());
    EXPECT_EQ(seen.front().first, all[i + 1].first);
  }
  client_->view().release_directory(node, handle);
}

TEST_P(Ingest, ForgetsCleanNodesAndFindsThemAgainWithTheSameNumber) {
  commit_file("f", "f");
  mount();
  const auto before = client_->stat("x/f");
  client_->forget_all();
  EXPECT_EQ(client_->stat("x/f").inode, before.inode);
  client_->chmod("x/f", 0600);
  client_->forget_all();
  EXPECT_EQ(client_->stat("x/f").mode & 07777, 0600U) << "a changed node is kept";
}

TEST_P(Ingest, CommitsByItselfWhenIdle) {
  client_.reset();
  IngestOptions options;
  options.autocommit_s = 1;
  client_ = world_.mount(options);
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  client_->view().tick();
  EXPECT_EQ(world_.snapshots(), 0U) << "a handle is open";
  client_->close(file.node.node, file.opened.handle);
  client_->view().tick();
  EXPECT_EQ(world_.snapshots(), 1U);
}

TEST_P(Ingest, AnIdleCommitThatFailsIsNotTriedAtEveryTick) {
  client_.reset();
  IngestOptions options;
  options.autocommit_s = 1;
  client_ = world_.mount(options);
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  auto& faulty = world_.repository().faulty();
  faulty.order({.call = testing::Call::write, .times = 1000});
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  client_->view().tick();
  const std::uint64_t tried = faulty.calls();
  client_->view().tick();
  EXPECT_EQ(faulty.calls(), tried);
  faulty.clear();
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  client_->view().tick();
  EXPECT_EQ(world_.snapshots(), 1U);
}

TEST_P(Ingest, AClientThatHasLostItsTreesSendsEverythingAgain) {
  if (!GetParam()) GTEST_SKIP() << "who can read the repository keeps no trees";
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "f");
  commit();
  const std::string trees = client_->repository().source_directory("host", "x") + "/trees.sqlite";
  client_.reset();
  const auto lose = [&](const std::string& what) {
    Database database{trees, {}};
    database.execute(("DELETE FROM chunk WHERE " + what).c_str());
  };
  const auto root = [&] {
    const auto reader = world_.reader();
    return repo::latest_of(*reader->snapshots(), "host", "x")->snapshot->root.subtree();
  };
  // A part is missing: that is damage, not absence.
  lose(fmt::format("id != x'{}'", to_hex(bytes_of(root()))));
  mount();
  EXPECT_EQ(client_->list("x"), (std::vector<std::string>{"d"}));
  EXPECT_EQ(failure_of([&] { client_->node("x/d/f"); }), code(ErrorCode::corrupt));
  EXPECT_EQ(failure_of([&] { client_->list("x/d"); }), code(ErrorCode::corrupt));
  client_.reset();
  lose("true");
  mount();
  EXPECT_FALSE(client_->exists("x"));
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/f", "again");
  commit();
  EXPECT_EQ(latest("d/f"), "again");
}

TEST_P(Ingest, ASecondMountIsToldThatTheSourceIsBusy) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  commit();
  const auto second = world_.mount({});
  client_->write_file("x/g", "g");
  EXPECT_EQ(failure_of([&] { second->write_file("x/h", "h"); }), code(ErrorCode::busy));
  EXPECT_TRUE(second->exists("x/f")) << "looking stays possible";
  commit();
  second->forget_all();
  second->write_file("x/h", "h");
  second->view().commit("x", "test");
  EXPECT_EQ(world_.latest("x")->size(), 4U) << "on what the other committed";
}

TEST_P(Ingest, GoesOnFromASnapshotThatAnotherProcessMade) {
  if (GetParam()) GTEST_SKIP() << "an ingest key knows its own state only";
  commit_file("f", "f");
  {
    const auto other = world_.mount({}, "other");
    other->write_file("x/g", "g");
    other->view().commit("x", "test");
  }
  client_->repository().refresh();
  std::vector<std::string> told;
  client_->view().set_invalidate([&](NodeId, std::string_view name) { told.emplace_back(name); });
  client_->view().tick();
  EXPECT_THAT(told, ElementsAre("x", "f"));
  client_->forget_all();
  EXPECT_TRUE(client_->exists("x/g"));
  client_->write_file("x/h", "h");
  commit();
  EXPECT_EQ(world_.latest("x")->size(), 4U);
}

TEST_P(Ingest, AFailedCommitLeavesTheSessionAsItWas) {
  client_->mkdir("x");
  client_->write_file("x/f", random_text(1, 100'000));
  world_.repository().faulty().order(
      {.call = testing::Call::write, .times = 100, .code = ErrorCode::no_space});
  EXPECT_EQ(failure_of([&] { commit(); }), code(ErrorCode::no_space));
  EXPECT_EQ(client_->read_file("x/f"), random_text(1, 100'000));
  world_.repository().faulty().clear();
  client_->write_file("x/g", "more");
  commit();
  EXPECT_EQ(latest("f"), random_text(1, 100'000));
  EXPECT_EQ(latest("g"), "more");
}

TEST_P(Ingest, AfterAFailedBarrierWhatIsLostIsForgottenAndTheRestCommits) {
  commit_file("old", "old");
  client_->write_file("x/new", random_text(1, 100'000));
  client_->write_at("x/old", 0, random_text(2, 90'000));
  world_.repository().faulty().order({.call = testing::Call::barrier, .code = ErrorCode::io});
  EXPECT_NE(failure_of([&] { commit(); }), 0);
  EXPECT_FALSE(client_->exists("x/new")) << "its bytes are nowhere";
  EXPECT_EQ(client_->stat("x/old").size, 3U) << "as in the last snapshot";
  client_->write_file("x/new", random_text(1, 100'000));
  commit();
  EXPECT_EQ(latest("new"), random_text(1, 100'000));
  EXPECT_EQ(latest("old"), "old");
}

TEST_P(Ingest, AFileThatWasLostWhileItWasWrittenHoldsUpNoCommit) {
  client_.reset();
  IngestOptions options;
  options.checkpoint_interval_s = 1;
  options.autocommit_s = 1;
  client_ = world_.mount(options);
  client_->mkdir("x");
  const auto file = client_->create("x/new");
  client_->write(file.node.node, file.opened.handle, 0, random_text(1, 3'000'000));
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  world_.repository().faulty().order({.call = testing::Call::barrier, .code = ErrorCode::io});
  client_->view().tick();  // a checkpoint that fails
  client_->view().tick();
  EXPECT_FALSE(client_->exists("x/new")) << "its bytes are nowhere";
  client_->view().release(file.node.node, file.opened.handle);
  client_->forget_all();
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  client_->view().tick();
  ASSERT_EQ(world_.snapshots(), 1U) << "nothing is open or being written any more";
  EXPECT_EQ(world_.latest("x")->size(), 1U);
}

TEST_P(Ingest, AFullStoreShowsAtWriteAndClose) {
  client_->mkdir("x");
  world_.repository().faulty().order(
      {.call = testing::Call::write, .times = 1000, .code = ErrorCode::no_space});
  const auto file = client_->create("x/f");
  const std::string block = random_text(1, 1 << 20);
  int failed = 0;
  for (std::uint64_t i = 0; i < 200 && failed == 0; ++i) {
    failed = failure_of([&] {
      client_->write(file.node.node, file.opened.handle, i << 20U, random_text(i, 1 << 20));
    });
  }
  EXPECT_EQ(failed, code(ErrorCode::no_space));
  EXPECT_EQ(failure_of([&] { client_->view().flush(file.node.node, file.opened.handle); }),
            code(ErrorCode::no_space));
  EXPECT_EQ(failure_of([&] { client_->view().sync_file(file.node.node, file.opened.handle); }),
            code(ErrorCode::no_space));
  client_->view().release(file.node.node, file.opened.handle);
}

TEST_P(Ingest, AFullStoreShowsAtTheCloseOfSmallFiles) {
  client_->mkdir("x");
  world_.repository().faulty().order(
      {.call = testing::Call::write, .times = 1000, .code = ErrorCode::no_space});
  int failed = 0;
  std::size_t files = 0;
  // Too short to be cut before their close.
  for (; files < 200 && failed == 0; ++files) {
    failed = failure_of(
        [&] { client_->write_file("x/f" + std::to_string(files), random_text(files, 900'000)); });
  }
  EXPECT_EQ(failed, code(ErrorCode::no_space)) << "all that came would wait in memory";
  world_.repository().faulty().clear();
  client_->view().tick();
  client_->unlink("x/f" + std::to_string(files - 1));
  commit();
  EXPECT_EQ(world_.latest("x")->size(), files);
}

TEST_P(Ingest, AStoreThatHasRoomAgainIsFoundByWritersThatKeepTrying) {
  client_->mkdir("x");
  auto& faulty = world_.repository().faulty();
  faulty.order({.call = testing::Call::write, .times = 1000, .code = ErrorCode::no_space});
  const auto file = client_->create("x/f", 0644, O_WRONLY | O_APPEND);
  std::string expected;
  const auto write = [&] {
    const std::string part = random_text(expected.size(), 1 << 20);
    const int failed =
        failure_of([&] { client_->write(file.node.node, file.opened.handle, 0, part); });
    if (failed == 0) expected += part;
    return failed;
  };
  while (write() == 0) ASSERT_LT(expected.size(), std::size_t{300} << 20);
  faulty.clear();
  const auto asked = faulty.calls(testing::Call::write);
  int failed = 0;
  for (int i = 0; i < 30; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds{100});
    failed = write();
    // A write that ends within a chunk is taken without the store.
    if (failed == 0 && faulty.calls(testing::Call::write) > asked) break;
  }
  EXPECT_EQ(failed, 0);
  client_->close(file.node.node, file.opened.handle);
  commit();
  EXPECT_TRUE(latest("f") == expected);
}

TEST_P(Ingest, AnInterruptedSyncReturnsAtOnceAndTheCommitGoesOn) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  client_->write(file.node.node, file.opened.handle, 0, "f");
  const NodeId root = client_->node("x");
  const auto begun = std::chrono::steady_clock::now();
  EXPECT_EQ(failure_of([&] { client_->view().sync_directory(root, [] { return true; }); }), EINTR);
  EXPECT_LT(std::chrono::steady_clock::now() - begun, std::chrono::seconds{1})
      << "it waits for the writer";
  client_->close(file.node.node, file.opened.handle);
  client_->sync("x");
  EXPECT_EQ(latest("f"), "f");
}

TEST_P(Ingest, SpecialFilesTravel) {
  client_->mkdir("x");
  const NodeId root = client_->node("x");
  client_->view().make_node(root, "fifo", S_IFIFO | 0600, 0, 0, client_->caller);
  client_->view().make_node(root, "device", S_IFCHR | 0600, 5, 7, client_->caller);
  client_->view().make_node(root, "file", S_IFREG | 0600, 0, 0, client_->caller);
  commit();
  const auto tree = world_.latest("x");
  EXPECT_EQ(tree->at("fifo").mode, mode_t{S_IFIFO | 0600});
  EXPECT_EQ(tree->at("file").content, "");
  mount();
  const auto device = client_->stat("x/device");
  EXPECT_EQ(device.device_major, 5U);
  EXPECT_EQ(device.device_minor, 7U);
}

TEST_P(Ingest, CountsWhatASnapshotHolds) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->write_file("x/d/a", std::string(100, 'a'));
  client_->link("x/d/a", "x/b");
  client_->symlink("t", "x/l");
  commit();
  const auto statistics = [&] {
    const auto reader = world_.reader();
    return repo::latest_of(*reader->snapshots(), "host", "x")->snapshot->statistics;
  };
  EXPECT_EQ(statistics().files(), 2U);
  EXPECT_EQ(statistics().directories(), 1U);
  EXPECT_EQ(statistics().others(), 1U);
  EXPECT_EQ(statistics().logical_bytes(), 100U);
  mount();
  client_->write_at("x/b", 100, "more");
  client_->unlink("x/l");
  client_->rename("x/d", "x/e");
  commit();
  EXPECT_EQ(statistics().files(), 2U);
  EXPECT_EQ(statistics().directories(), 1U);
  EXPECT_EQ(statistics().others(), 0U);
  EXPECT_EQ(statistics().logical_bytes(), 104U);
}

}  // namespace
}  // namespace vgerfs::fs
