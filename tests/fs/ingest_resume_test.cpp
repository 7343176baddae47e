// What survives a daemon's death: everything that was synced, nothing readable.
#include <filesystem>
#include <fstream>
#include <thread>

#include <gtest/gtest.h>

#include "fs/ingest_image.h"
#include "ingest_world.h"
#include "repo/journal.h"
#include "repo/maintenance/compact.h"
#include "support/fixed_random.h"

namespace vgerfs::fs {
namespace {

using testing::code;
using testing::failure_of;
using testing::IngestClient;
using testing::IngestWorld;
using testing::random_bytes;
using testing::random_text;

class IngestResume : public ::testing::TestWithParam<bool> {
 protected:
  void SetUp() override { mount(); }
  /// After the death of the daemon before.
  void mount(IngestOptions options = {}) {
    client_.reset();
    client_ = world_.mount(std::move(options));
  }
  void sync(const std::string& path) {
    const HandleId handle = client_->open(path, O_WRONLY);
    client_->view().sync_file(client_->node(path), handle);
    client_->close(client_->node(path), handle);
  }
  void commit() { client_->view().commit("x", "test"); }
  std::string latest(const std::string& path) { return world_.latest("x")->at(path).content; }
  std::string journal() { return client_->repository().source_directory("host", "x") + "/journal"; }
  /// The journal of a client that is gone.
  std::string find_journal() {
    for (const auto& each :
         std::filesystem::recursive_directory_iterator(world_.repository().directory())) {
      if (each.path().filename() == "journal") return each.path().string();
    }
    return {};
  }

  IngestWorld world_{GetParam()};
  std::unique_ptr<IngestClient> client_;
};

INSTANTIATE_TEST_SUITE_P(Keys, IngestResume, ::testing::Values(false, true),
                         [](const auto& key) { return key.param ? "IngestKey" : "FullKey"; });

TEST_P(IngestResume, KeepsWhatWasSyncedAndRefusesToReadIt) {
  const std::string text = random_text(1, 700'000);
  client_->mkdir("x");
  client_->mkdir("x/d", 0700);
  client_->write_file("x/d/f", text, 0600);
  client_->set_xattr("x/d/f", "user.long", std::string(3000, 'v'));
  client_->symlink("target", "x/l");
  sync("x/d/f");
  client_->write_file("x/not-synced", "gone");
  mount();
  EXPECT_EQ(client_->stat("x/d/f").size, text.size());
  EXPECT_EQ(client_->stat("x/d/f").mode & 07777, 0600U);
  EXPECT_EQ(client_->xattr("x/d/f", "user.long"), std::string(3000, 'v'));
  EXPECT_FALSE(client_->exists("x/not-synced"));
  EXPECT_EQ(client_->read_failure("x/d/f"), EACCES);
  client_->write_at("x/d/f", 10, "in the resumed session");
  commit();
  EXPECT_EQ(latest("d/f"), std::string{text}.replace(10, 22, "in the resumed session"));
  EXPECT_EQ(latest("l"), "target");
  EXPECT_FALSE(std::filesystem::exists(journal()));
}

TEST_P(IngestResume, KeepsRandomWritesAndOpenFiles) {
  const std::string old = random_text(1, 300'000);
  client_->mkdir("x");
  client_->write_file("x/f", old);
  commit();
  const NodeId node = client_->node("x/f");
  const HandleId handle = client_->open("x/f", O_RDWR);
  std::string expected = old;
  for (std::size_t i = 0; i < 50; ++i) {
    const std::string part = random_text(i, 100);
    client_->write(node, handle, i * 5000 + 7, part);
    expected.replace(i * 5000 + 7, 100, part);
  }
  client_->view().sync_file(node, handle);
  client_->write(node, handle, 0, "not synced");
  mount();
  commit();
  EXPECT_EQ(latest("f"), expected);
}

TEST_P(IngestResume, KeepsManyTransactionsOnOneFile) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  std::string expected;
  for (std::size_t i = 0; i < 40; ++i) {
    const std::string part = random_text(i, 3000 + i * 997);
    client_->write(file.node.node, file.opened.handle, expected.size(), part);
    expected += part;
    if (i % 7 == 3) {
      client_->truncate("x/f", expected.size() - 1000);
      expected.resize(expected.size() - 1000);
    }
    client_->view().sync_file(file.node.node, file.opened.handle);
  }
  mount();
  commit();
  EXPECT_TRUE(latest("f") == expected);
}

TEST_P(IngestResume, ChecksPointsInsteadOfWritingLargeFilesTwice) {
  client_->mkdir("x");
  const auto file = client_->create("x/f");
  std::string expected;
  for (std::size_t i = 0; i < 40; ++i) expected += random_text(i, 1 << 20);
  for (std::size_t at = 0; at < expected.size(); at += 1 << 20) {
    client_->write(file.node.node, file.opened.handle, at,
                   std::string_view{expected}.substr(at, 1 << 20));
  }
  client_->view().sync_file(file.node.node, file.opened.handle);
  EXPECT_LT(std::filesystem::file_size(journal()), std::uintmax_t{24} << 20);
  mount();
  commit();
  EXPECT_TRUE(latest("f") == expected);
}

TEST_P(IngestResume, KeepsChangesOfNamesInTheBase) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->mkdir("x/d/e");
  client_->write_file("x/d/e/f", "f");
  client_->write_file("x/a", "a");
  client_->link("x/a", "x/d/b");
  client_->write_file("x/gone", "gone");
  commit();
  mount();
  client_->rename("x/d", "x/moved");
  client_->chmod("x/moved/b", 0600);
  client_->unlink("x/gone");
  client_->unlink("x/moved/b");
  client_->sync("x/moved");
  mount();
  EXPECT_FALSE(client_->exists("x/gone"));
  EXPECT_FALSE(client_->exists("x/d"));
  EXPECT_EQ(client_->stat("x/a").mode & 07777, 0600U) << "changed under a name that is gone";
  EXPECT_EQ(client_->stat("x/a").link_count, 1U);
  commit();
  const auto tree = world_.latest("x");
  EXPECT_EQ(tree->at("moved/e/f").content, "f");
  EXPECT_EQ(tree->at("a").mode & 07777, 0600U);
  EXPECT_EQ(tree->at("a").group, 0U);
  EXPECT_EQ(tree->size(), 5U);
}

TEST_P(IngestResume, ReadsBackWhatDeduplicatesAgainstTheInterruptedSession) {
  const std::string text = random_text(1, 400'000);
  client_->mkdir("x");
  client_->write_file("x/f", text);
  sync("x/f");
  mount();
  EXPECT_EQ(client_->read_failure("x/f"), EACCES);
  client_->write_file("x/again", text);
  EXPECT_EQ(client_->read_file("x/again"), text);
  commit();
  EXPECT_EQ(latest("f"), text);
  EXPECT_EQ(latest("again"), text);
}

TEST_P(IngestResume, WhatWasSyncedAfterAFailedCommitIsNotTakenForCommitted) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  sync("x/f");
  // The snapshot is published, but its reply is lost.
  world_.repository().faulty().order(
      {.fault = testing::Fault::lose_reply, .call = testing::Call::barrier, .nth = 3});
  EXPECT_NE(failure_of([&] { commit(); }), 0);
  client_->write_file("x/g", "g");
  sync("x/g");
  mount();
  EXPECT_TRUE(client_->exists("x/g"));
  client_->view().commit_all("test");
  EXPECT_EQ(latest("g"), "g");
}

TEST_P(IngestResume, AStoreThatIsAwayDoesNotKeepFsyncFromWorking) {
  client_->mkdir("x");
  client_->write_file("x/f", random_text(1, 100'000));
  world_.repository().faulty().order({.call = testing::Call::write, .times = 1000});
  world_.repository().faulty().order({.call = testing::Call::barrier, .times = 1000});
  sync("x/f");
  client_->write_file("x/g", random_text(2, 100'000));
  client_->view().suspend();
  mount();
  commit();
  EXPECT_EQ(latest("f"), random_text(1, 100'000));
  EXPECT_EQ(latest("g"), random_text(2, 100'000));
}

TEST_P(IngestResume, SuspendKeepsEverything) {
  const std::string text = random_text(1, 2'000'000);
  client_->mkdir("x");
  client_->write_file("x/f", text);
  client_->view().suspend();
  mount();
  EXPECT_EQ(client_->stat("x/f").size, text.size());
  EXPECT_EQ(client_->xattr("x", "user.vgerfs.state"), "dirty");
  client_->view().commit_all("test");
  EXPECT_EQ(latest("f"), text);
}

TEST_P(IngestResume, CommitAllFindsASessionThatNobodyLookedAt) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  client_->view().suspend();
  mount();
  client_->view().commit_all("umount");
  EXPECT_EQ(latest("f"), "f");
}

TEST_P(IngestResume, ResumesTwiceAndThreeTimes) {
  client_->mkdir("x");
  std::string expected;
  for (std::size_t i = 0; i < 4; ++i) {
    const std::string part = random_text(i, 200'000);
    if (i == 0) {
      client_->write_file("x/f", part);
    } else {
      client_->write_at("x/f", expected.size(), part);
    }
    expected += part;
    sync("x/f");
    mount();
    // A death before the resumed session writes anything.
    EXPECT_EQ(client_->stat("x/f").size, expected.size());
    mount();
  }
  commit();
  EXPECT_TRUE(latest("f") == expected);
}

TEST_P(IngestResume, ADiscardForgetsTheJournal) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  sync("x/f");
  EXPECT_TRUE(std::filesystem::exists(journal()));
  client_->unlink("x/f");
  client_->rmdir("x");
  EXPECT_FALSE(std::filesystem::exists(journal()));
  mount();
  EXPECT_FALSE(client_->exists("x"));
}

TEST_P(IngestResume, ACommitThatWasCompleteIsNotRepeated) {
  client_->mkdir("x");
  client_->write_file("x/f", "f");
  sync("x/f");
  const std::string path = journal();
  // The journal as it is when the snapshot is durable and the file not yet deleted.
  std::filesystem::copy_file(path, path + ".before");
  commit();
  const std::size_t snapshots = world_.snapshots();
  std::filesystem::rename(path + ".before", path);
  mount();
  EXPECT_TRUE(client_->exists("x/f"));
  client_->view().commit_all("test");
  EXPECT_LE(world_.snapshots(), snapshots + 1);
  EXPECT_EQ(latest("f"), "f");
}

TEST_P(IngestResume, DeathAtAnyCallOfTheStoreLosesNothingSynced) {
  for (std::uint64_t n = 1; n < 40; ++n) {
    IngestWorld world{GetParam()};
    auto client = world.mount();
    client->mkdir("x");
    client->write_file("x/old", random_text(1, 50'000));
    client->view().commit("x", "test");
    client->write_file("x/f", random_text(2, 50'000));
    client->write_at("x/old", 100, "changed");
    const HandleId handle = client->open("x/f", O_WRONLY);
    client->view().sync_file(client->node("x/f"), handle);
    client->close(client->node("x/f"), handle);
    auto& faulty = world.repository().faulty();
    const std::uint64_t before = faulty.calls();
    faulty.order({.fault = n % 2 == 0 ? testing::Fault::kill : testing::Fault::kill_after,
                  .nth = (n + 1) / 2});
    bool killed = false;
    try {
      client->view().commit("x", "test");
    } catch (const testing::Killed&) {
      killed = true;
    } catch (const Error&) {
      killed = true;
    }
    const std::uint64_t calls = faulty.calls() - before;
    client.reset();
    client = world.mount();
    SCOPED_TRACE(fmt::format("killed at call {} of {}: {}", (n + 1) / 2, calls, killed));
    ASSERT_TRUE(client->exists("x/f"));
    client->view().commit("x", "test");
    const auto tree = world.latest("x");
    ASSERT_EQ(tree->at("f").content, random_text(2, 50'000));
    ASSERT_EQ(tree->at("old").content, random_text(1, 50'000).replace(100, 7, "changed"));
    if (!GetParam()) {
      // Who can read the snapshots sees that the commit was complete.
      ASSERT_EQ(world.snapshots(), 2U);
    }
    if (!killed) return;
  }
  FAIL() << "the commit needs more calls than were tried";
}

TEST_P(IngestResume, ADamagedJournalIsNamedAndNothingIsGuessed) {
  client_->mkdir("x");
  client_->write_file("x/f", random_text(1, 100'000));
  sync("x/f");
  client_->write_file("x/g", "g");
  sync("x/g");
  const std::string path = journal();
  client_.reset();
  {
    std::fstream file{path, std::ios::in | std::ios::out | std::ios::binary};
    file.seekg(2000);
    const int byte = file.get();
    file.seekp(2000);
    file.put(static_cast<char>(byte ^ 1));
  }
  mount();
  try {
    client_->exists("x");
    client_->node("x");
    FAIL() << "resumed from a damaged journal";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_NE(std::string{error.what()}.find(path), std::string::npos);
  }
  EXPECT_TRUE(std::filesystem::exists(path)) << "it is the user's to give up";
}

TEST_P(IngestResume, ADamagedJournalIsNotInTheWayOfOtherSources) {
  client_->mkdir("x");
  client_->write_file("x/f", random_text(1, 100'000));
  sync("x/f");
  const std::string path = journal();
  client_.reset();
  std::filesystem::resize_file(path, 40);
  mount();
  client_->mkdir("y");
  client_->write_file("y/g", "g");
  EXPECT_EQ(client_->list(""), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(client_->list("", true), (std::vector<std::string>{"x", "y"}));
  EXPECT_EQ(failure_of([&] { client_->view().commit_all("umount"); }), code(ErrorCode::corrupt));
  EXPECT_EQ(world_.latest("y")->at("g").content, "g");
}

TEST_P(IngestResume, AFileUnlinkedWhileTheJournalIsWrittenIsNeverOneOfZeros) {
  const std::string text = random_text(7, 50'000);
  client_->mkdir("x");
  // So much that the journal takes a checkpoint before it comes to the second file.
  const auto large = client_->create("x/large");
  for (std::size_t at = 0; at < 20; ++at) {
    client_->write(large.node.node, large.opened.handle, at << 20U, random_text(at, 1 << 20));
  }
  client_->close(large.node.node, large.opened.handle);
  client_->write_file("x/small", text);
  bool unlinked = false;
  world_.repository().faulty().before_next(testing::Call::barrier, [&] {
    client_->unlink("x/small");
    unlinked = true;
  });
  sync("x/large");
  ASSERT_TRUE(unlinked) << "the test has lost its moment";
  mount();
  if (client_->exists("x/small")) {
    commit();
    EXPECT_TRUE(latest("small") == text);
  }
}

TEST_P(IngestResume, NothingOnDiskShowsOrYieldsPlaintext) {
  const std::string secret = "a very secret line of text that repeats; ";
  std::string text;
  while (text.size() < 300'000) text += secret;
  client_->mkdir("x");
  client_->write_file("x/f", text);
  const NodeId node = client_->node("x/f");
  const HandleId handle = client_->open("x/f", O_RDWR);
  for (std::size_t i = 0; i < 20; ++i) client_->write(node, handle, i * 9000, secret);
  client_->view().sync_file(node, handle);
  client_->set_xattr("x/f", "user.comment", secret);
  sync("x/f");
  std::size_t files = 0;
  for (const auto& each :
       std::filesystem::recursive_directory_iterator(world_.repository().directory())) {
    if (!each.is_regular_file()) continue;
    ++files;
    std::ifstream in{each.path(), std::ios::binary};
    const std::string bytes{std::istreambuf_iterator<char>{in}, {}};
    EXPECT_EQ(bytes.find("secret"), std::string::npos) << each.path();
  }
  EXPECT_GT(files, 0U);
  if (!GetParam()) return;
  // The ingest key opens the journal's records, but not the blocks in it.
  auto& repository = client_->repository();
  const auto key = repository.keyring().local_key("journal");
  std::size_t blocks = 0;
  repo::Journal::open(
      journal(), {key, repository.keyring().repository(), *repository.options().random},
      [&](ByteView payload) {
        proto::JournalRecord record;
        ASSERT_TRUE(record.ParseFromArray(payload.data(), static_cast<int>(payload.size())));
        EXPECT_EQ(text_of(payload).find("very secret line of text that repeats; a"),
                  std::string::npos);
        if (!record.has_block()) return;
        ++blocks;
        EXPECT_EQ(failure_of([&] {
                    repo::open_block(bytes_of(record.block().sealed()),
                                     block_entry_of(record.block()), repository.keyring());
                  }),
                  code(ErrorCode::denied));
      });
  EXPECT_GT(blocks, 0U);
}

TEST_P(IngestResume, ADirectoryOfTheBaseMovedBetweenSourcesIsNotLost) {
  client_->mkdir("x");
  client_->mkdir("x/d");
  client_->mkdir("x/d/e");
  client_->write_file("x/d/e/f", random_text(1, 50'000));
  commit();
  client_->mkdir("y");
  client_->rename("x/d", "y/d");
  client_->write_file("y/g", "g");
  sync("y/g");
  mount();
  EXPECT_EQ(client_->list("y/d/e"), (std::vector<std::string>{"f"}));
  client_->write_file("y/d/e/new", "new");
  client_->view().commit_all("test");
  const auto tree = world_.latest("y");
  EXPECT_EQ(tree->at("d/e/f").content, random_text(1, 50'000));
  EXPECT_EQ(tree->at("d/e/new").content, "new");
}

TEST_P(IngestResume, WhatMaintenanceTookFromADeadSessionIsNotPublished) {
  mount({.checkpoint_interval_s = 1});
  client_->mkdir("x");
  client_->write_file("x/kept", "kept");
  commit();
  client_->write_at("x/kept", 0, random_text(1, 50'000));
  client_->write_file("x/f", random_text(2, 50'000));
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});
  client_->view().tick();
  client_->write_file("x/g", random_text(3, 50'000));
  sync("x/g");  // in the journal itself
  client_.reset();
  repo::compact(*world_.reader(), {.now = true}, false, {}, {});
  mount();
  EXPECT_FALSE(client_->exists("x/f")) << "its bytes are nowhere";
  EXPECT_EQ(client_->stat("x/kept").size, 4U) << "as in the last snapshot";
  commit();
  const auto tree = world_.latest("x");
  EXPECT_EQ(tree->size(), 3U);
  EXPECT_EQ(tree->at("kept").content, "kept");
  EXPECT_EQ(tree->at("g").content, random_text(3, 50'000));
}

TEST_P(IngestResume, ASessionWhoseBaseWasRemovedIsNotGoneOnWith) {
  client_->mkdir("x");
  client_->write_file("x/old", "old");
  commit();
  client_->write_file("x/f", "f");
  sync("x/f");
  client_.reset();
  {
    const auto admin = world_.reader();
    repo::IndexRecord record;
    record.facts.removals.push_back({admin->snapshots()->ids.front(), 0});
    admin->publish_record(std::move(record));
  }
  mount();
  EXPECT_EQ(failure_of([&] { client_->node("x"); }), code(ErrorCode::corrupt));
}

TEST_P(IngestResume, AFileMovedBetweenSourcesIsNotLost) {
  client_->mkdir("x");
  client_->mkdir("y");
  client_->write_file("x/f", random_text(1, 50'000));
  sync("x/f");
  client_->rename("x/f", "y/f");
  mount();
  client_->view().commit_all("test");
  EXPECT_EQ(world_.latest("y")->at("f").content, random_text(1, 50'000));
  EXPECT_EQ(world_.latest("x")->size(), 1U);
}

}  // namespace
}  // namespace vgerfs::fs
