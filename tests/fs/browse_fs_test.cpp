#include "fs/browse_fs.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <future>

#include <gmock/gmock.h>

#include "fs/browse_world.h"
#include "support/manual_clock.h"

namespace vgerfs::fs {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using vgerfs::testing::BrowseWorld;
using vgerfs::testing::kLater;
using vgerfs::testing::kTime;
using vgerfs::testing::ManualClock;

template <class Work>
int errno_of(Work work) {
  try {
    work();
  } catch (const FsError& error) {
    return error.error_number();
  }
  return 0;
}

class BrowseFsTest : public ::testing::Test {
 protected:
  /// The view, once the test has made its snapshots.
  BrowseFs& view() {
    if (!view_) {
      world_->refresh();
      BrowseOptions options;
      options.owner_uid = 7;
      options.clock = &clock_;
      options.timing.max_wait = std::chrono::minutes{1};
      view_ = std::make_unique<BrowseFs>(std::unique_ptr<BrowseSource>{owned_.release()}, options);
    }
    return *view_;
  }

  NodeReply lookup(std::string_view path) {
    NodeReply reply{kRootNode, {}};
    while (!path.empty()) {
      const std::size_t end = std::min(path.find('/'), path.size());
      reply = view().lookup(reply.node, path.substr(0, end));
      path.remove_prefix(std::min(end + 1, path.size()));
    }
    return reply;
  }
  NodeReply in_snapshot(const std::string& path) {
    return lookup(fmt::format("snapshots/h/s/{}/{}", kTime, path));
  }
  std::string content(NodeId node, std::uint64_t offset = 0, std::uint64_t size = 1 << 20) {
    const FileBytes bytes = view().read(node, offset, size);
    std::string text;
    for (const ByteView piece : bytes.pieces) text += text_of(piece);
    EXPECT_EQ(text.size(), bytes.size);
    return text;
  }
  std::vector<std::string> names(NodeId node, std::size_t per_request = 1000,
                                 bool with_attributes = true) {
    std::vector<std::string> found;
    std::uint64_t cookie = 0;
    for (bool more = true; more;) {
      std::size_t taken = 0;
      view().read_directory(node, cookie, with_attributes, [&](const DirectoryItem& item) {
        if (taken == per_request) return false;
        ++taken;
        cookie = item.next_cookie;
        if (item.name != "." && item.name != "..") found.emplace_back(item.name);
        if (item.node != 0) view().forget(item.node, 1);
        return true;
      });
      more = taken != 0;
    }
    return found;
  }

  std::unique_ptr<BrowseWorld> owned_ = std::make_unique<BrowseWorld>();
  BrowseWorld* world_ = owned_.get();
  ManualClock clock_;
  std::unique_ptr<BrowseFs> view_;
};

TEST_F(BrowseFsTest, ShowsLinesByHostSourceAndTime) {
  world_->add("h", "s", kTime, {});
  world_->add("h", "s", kLater, {});
  world_->add("h", "t", kTime, {});
  world_->add("i", "s", kTime, {});
  EXPECT_THAT(names(kRootNode), UnorderedElementsAre("snapshots", "ids"));
  EXPECT_THAT(names(lookup("snapshots").node), UnorderedElementsAre("h", "i"));
  EXPECT_THAT(names(lookup("snapshots/h").node), UnorderedElementsAre("s", "t"));
  EXPECT_THAT(names(lookup("snapshots/h/s").node), UnorderedElementsAre(kTime, kLater, "latest"));
  EXPECT_EQ(view().read_link(lookup("snapshots/h/s/latest").node), kLater);
  EXPECT_EQ(lookup("snapshots/h").attributes.uid, 7U);
  EXPECT_EQ(errno_of([&] { lookup("snapshots/nobody"); }), ENOENT);
}

TEST_F(BrowseFsTest, MountingReadsNoTree) {
  world_->add("h", "s", kTime, {world_->file("f", "text")});
  world_->chunks().reset_counters();
  names(lookup("snapshots/h/s").node);
  lookup(std::string{"snapshots/h/s/"} + kTime);
  EXPECT_EQ(world_->chunks().gets(), 0U);
  in_snapshot("f");
  EXPECT_GT(world_->chunks().gets(), 0U);
}

TEST_F(BrowseFsTest, IdsLeadIntoTheLines) {
  const SnapshotId id = world_->add("h", "s", kTime, {});
  EXPECT_THAT(names(lookup("ids").node), ElementsAre(id.hex()));
  EXPECT_EQ(view().read_link(lookup("ids/" + id.hex()).node),
            std::string{"../snapshots/h/s/"} + kTime);
}

TEST_F(BrowseFsTest, ASnapshotOfNoLineIsADirectoryUnderIdsOnly) {
  const SnapshotId id = world_->add("h", "s", kTime, {world_->file("f", "forged?")}, false);
  EXPECT_THAT(names(lookup("snapshots").node), IsEmpty());
  EXPECT_EQ(content(lookup("ids/" + id.hex() + "/f").node), "forged?");
}

TEST_F(BrowseFsTest, AnUnreadableSnapshotIsShownAndFails) {
  const SnapshotId id{sha256(bytes_of("x"))};
  world_->add_unreadable(id, "snapshots/x: bad signature");
  const NodeReply node = lookup("ids/" + id.hex());
  EXPECT_TRUE(S_ISDIR(node.attributes.mode));
  EXPECT_EQ(errno_of([&] { names(node.node); }), EIO);
  EXPECT_EQ(errno_of([&] { view().lookup(node.node, "a"); }), EIO);
  EXPECT_THAT(view().damage(), ElementsAre(HasSubstr("bad signature")));
}

TEST_F(BrowseFsTest, AttributesAreThoseOfTheEntry) {
  auto device = BrowseWorld::entry("dev", repo::EntryType::ENTRY_CHARACTER_DEVICE, 0600);
  device.set_device_major(1);
  device.set_device_minor(3);
  auto link = BrowseWorld::entry("link", repo::EntryType::ENTRY_SYMLINK, 0777);
  link.set_symlink_target("nowhere");
  auto old = world_->file("old", "1");
  old.set_mtime_s(-5);
  old.set_mtime_ns(999'999'999);
  world_->add("h", "s", kTime, {device, link, old, world_->directory("sub", {})});
  const Attributes dev = in_snapshot("dev").attributes;
  EXPECT_EQ(dev.mode, S_IFCHR | 0600U);
  EXPECT_EQ(dev.device_major, 1U);
  EXPECT_EQ(dev.device_minor, 3U);
  EXPECT_EQ(dev.uid, 1000U);
  EXPECT_EQ(in_snapshot("link").attributes.size, 7U);
  EXPECT_EQ(view().read_link(in_snapshot("link").node), "nowhere");
  EXPECT_EQ(in_snapshot("old").attributes.mtime, (Timestamp{-5, 999'999'999}));
  EXPECT_EQ(in_snapshot("sub").attributes.link_count, 1U);
  EXPECT_EQ(view().get_attributes(in_snapshot("old").node).size, 1U);
  EXPECT_EQ(errno_of([&] { view().read_link(in_snapshot("old").node); }), EINVAL);
  EXPECT_EQ(errno_of([&] { view().lookup(in_snapshot("old").node, "x"); }), ENOTDIR);
  EXPECT_EQ(errno_of([&] { names(in_snapshot("old").node); }), ENOTDIR);
}

TEST_F(BrowseFsTest, InodesAreStableAndApartFromNodes) {
  world_->add("h", "s", kTime, {world_->file("a", "1"), world_->file("b", "2")});
  const std::uint64_t inode = in_snapshot("a").attributes.inode;
  EXPECT_NE(inode, in_snapshot("b").attributes.inode);
  EXPECT_NE(inode, in_snapshot("a").node);
  // The next mount of the same repository.
  view_.reset();
  owned_ = std::make_unique<BrowseWorld>();
  world_ = owned_.get();
  world_->add("h", "s", kTime, {world_->file("a", "1"), world_->file("b", "2")});
  in_snapshot("b");
  EXPECT_EQ(in_snapshot("a").attributes.inode, inode);
}

TEST_F(BrowseFsTest, HardLinksAreOneNodeWithinASnapshot) {
  auto first = world_->file("first", "content");
  first.set_link_group(42);
  first.set_link_count(2);
  auto second = first;
  second.set_name("second");
  world_->add("h", "s", kTime, {first, world_->directory("sub", {second})});
  world_->add("h", "s", kLater, {first});
  const NodeReply a = in_snapshot("first");
  const NodeReply b = in_snapshot("sub/second");
  EXPECT_EQ(a.node, b.node);
  EXPECT_EQ(a.attributes.inode, b.attributes.inode);
  EXPECT_EQ(a.attributes.link_count, 2U);
  EXPECT_NE(lookup(fmt::format("snapshots/h/s/{}/first", kLater)).attributes.inode,
            a.attributes.inode);
}

TEST_F(BrowseFsTest, ReadsWhatWasStoredAtEveryOffset) {
  world_->add("h", "s", kTime,
              {world_->file("f", {{"abc"}, {.hole = 5}, {"defg"}}), world_->file("empty", "")});
  const NodeId node = in_snapshot("f").node;
  const std::string all = std::string{"abc"} + std::string(5, '\0') + "defg";
  for (std::uint64_t offset = 0; offset < 14; ++offset) {
    for (std::uint64_t size = 1; size < 14; ++size) {
      EXPECT_EQ(content(node, offset, size), offset < all.size() ? all.substr(offset, size) : "");
    }
  }
  EXPECT_EQ(content(in_snapshot("empty").node), "");
}

TEST_F(BrowseFsTest, ManyTinyExtentsComeAsOnePiece) {
  std::vector<BrowseWorld::Piece> pieces;
  pieces.reserve(64);
  std::string all;
  for (int i = 0; i < 2000; ++i) {
    pieces.push_back({fmt::format("{},", i)});
    all += pieces.back().text;
  }
  world_->add("h", "s", kTime, {world_->file("f", pieces)});
  const NodeId node = in_snapshot("f").node;
  EXPECT_EQ(content(node), all);
  EXPECT_THAT(view().read(node, 0, 1 << 20).pieces, SizeIs(1));
}

TEST_F(BrowseFsTest, HolesAreNotCountedAsBlocks) {
  world_->add("h", "s", kTime,
              {world_->file("f", {{"abc"}, {.hole = 1'000'000}, {std::string(1000, 'x')}})});
  EXPECT_EQ(in_snapshot("f").attributes.size, 1'001'003U);
  EXPECT_EQ(in_snapshot("f").attributes.blocks, 2U);
}

TEST_F(BrowseFsTest, HolesOfALongListAreCountedAtLookup) {
  std::vector<BrowseWorld::Piece> pieces;
  pieces.reserve(64);
  for (int i = 0; i < 40; ++i) {
    pieces.push_back({std::string(512, static_cast<char>('a' + i % 26))});
    pieces.push_back({.hole = 512});
  }
  world_->add("h", "s", kTime, {world_->file("f", pieces)});
  const NodeReply root = lookup(fmt::format("snapshots/h/s/{}", kTime));
  view().read_directory(root.node, kFirstCookie, true, [](const DirectoryItem& item) {
    EXPECT_EQ(item.node, 0U) << "a listing must not read lists of extents";
    return true;
  });
  EXPECT_EQ(in_snapshot("f").attributes.blocks, 40U);
}

TEST_F(BrowseFsTest, SeeksDataAndHoles) {
  world_->add(
      "h", "s", kTime,
      {world_->file("f", {{"abc"}, {.hole = 5}, {"defg"}, {.hole = 3}}), world_->file("d", "xyz")});
  const NodeId node = in_snapshot("f").node;
  EXPECT_EQ(view().seek(node, 0, true), 0U);
  EXPECT_EQ(view().seek(node, 0, false), 3U);
  EXPECT_EQ(view().seek(node, 4, true), 8U);
  EXPECT_EQ(view().seek(node, 4, false), 4U);
  EXPECT_EQ(view().seek(node, 9, false), 12U);
  EXPECT_EQ(errno_of([&] { view().seek(node, 13, true); }), ENXIO);
  EXPECT_EQ(errno_of([&] { view().seek(node, 15, false); }), ENXIO);
  EXPECT_EQ(view().seek(in_snapshot("d").node, 1, false), 3U) << "the end counts as a hole";
}

TEST_F(BrowseFsTest, NothingCanBeOpenedForWriting) {
  world_->add("h", "s", kTime, {world_->file("f", "x")});
  const NodeId node = in_snapshot("f").node;
  view().open_file(node, O_RDONLY);
  EXPECT_EQ(errno_of([&] { view().open_file(node, O_RDWR); }), EROFS);
  EXPECT_EQ(errno_of([&] { view().open_file(node, O_WRONLY); }), EROFS);
  EXPECT_EQ(errno_of([&] { view().open_file(node, O_RDONLY | O_TRUNC); }), EROFS);
}

TEST_F(BrowseFsTest, ExtendedAttributesComeWhole) {
  auto file = world_->file("f", "x");
  repo::add_xattr(file, world_->chunks(), "system.posix_acl_access", bytes_of("acl"));
  repo::add_xattr(file, world_->chunks(), "user.long", bytes_of(std::string(5000, 'v')));
  const SnapshotId id = world_->add("h", "s", kTime, {file});
  const NodeId node = in_snapshot("f").node;
  EXPECT_THAT(view().list_xattrs(node), ElementsAre("system.posix_acl_access", "user.long"));
  EXPECT_EQ(text_of(view().get_xattr(node, "system.posix_acl_access")), "acl");
  EXPECT_EQ(view().get_xattr(node, "user.long").size(), 5000U);
  EXPECT_EQ(errno_of([&] { view().get_xattr(node, "user.other"); }), ENODATA);
  EXPECT_EQ(text_of(view().get_xattr(node, "user.vgerfs.snapshot")), id.hex());
  EXPECT_EQ(errno_of([&] { view().get_xattr(lookup("snapshots").node, "user.x"); }), ENODATA);
}

TEST_F(BrowseFsTest, LargeDirectoriesAreReadInSteps) {
  std::vector<repo::Entry> entries;
  entries.reserve(3000);
  std::vector<std::string> expected;
  expected.reserve(3000);
  for (int i = 0; i < 3000; ++i) expected.push_back(fmt::format("{:05}", i * 7));
  for (const auto& name : expected) entries.push_back(world_->file(name, ""));
  world_->add("h", "s", kTime, entries);
  const NodeId node = lookup(fmt::format("snapshots/h/s/{}", kTime)).node;
  EXPECT_EQ(names(node, 100), expected);
  EXPECT_EQ(names(node, 7, false), expected);
}

TEST_F(BrowseFsTest, ACookieIsGoodWithoutItsBookmark) {
  std::vector<repo::Entry> entries;
  entries.reserve(3000);
  for (int i = 0; i < 3000; ++i) entries.push_back(world_->file(fmt::format("{:05}", i), ""));
  world_->add("h", "s", kTime, entries);
  std::string first;
  view().read_directory(lookup(fmt::format("snapshots/h/s/{}", kTime)).node, kFirstCookie + 2345,
                        false, [&](const DirectoryItem& item) {
                          first = item.name;
                          return false;
                        });
  EXPECT_EQ(first, "02345");
}

TEST_F(BrowseFsTest, CookiesOfTheUpperLevelsSurviveChanges) {
  const SnapshotId first = world_->add("h", "s", "2026-01-01T00.00.00Z", {});
  world_->add("h", "s", "2026-01-02T00.00.00Z", {});
  const NodeId line = lookup("snapshots/h/s").node;
  std::uint64_t cookie = 0;
  std::vector<std::string> seen;
  view().read_directory(line, kFirstCookie, false, [&](const DirectoryItem& item) {
    if (seen.size() == 2) return false;
    seen.emplace_back(item.name);
    cookie = item.next_cookie;
    return true;
  });
  world_->remove(first);
  world_->add("h", "s", "2026-01-03T00.00.00Z", {});
  view().refresh_now();
  view().read_directory(line, cookie, false, [&](const DirectoryItem& item) {
    seen.emplace_back(item.name);
    return true;
  });
  EXPECT_THAT(seen, UnorderedElementsAre("2026-01-01T00.00.00Z", "2026-01-02T00.00.00Z",
                                         "2026-01-03T00.00.00Z", "latest"));
}

TEST_F(BrowseFsTest, NodesLiveAsLongAsTheKernelHoldsThem) {
  world_->add("h", "s", kTime, {world_->file("f", "x")});
  const std::size_t before = view().nodes_held();
  const NodeReply first = view().lookup(kRootNode, "snapshots");
  const NodeReply second = view().lookup(kRootNode, "snapshots");
  EXPECT_EQ(first.node, second.node);
  view().forget(first.node, 1);
  view().get_attributes(first.node);
  view().forget(first.node, 1);
  EXPECT_EQ(errno_of([&] { view().get_attributes(first.node); }), ESTALE);
  EXPECT_EQ(view().nodes_held(), before);
  EXPECT_NE(view().lookup(kRootNode, "snapshots").node, first.node) << "a number was given twice";
}

TEST_F(BrowseFsTest, AFullReplyHoldsNothing) {
  world_->add("h", "s", kTime, {world_->file("a", "x"), world_->file("b", "x")});
  const NodeReply root = lookup(fmt::format("snapshots/h/s/{}", kTime));
  const std::size_t before = view().nodes_held();
  view().read_directory(root.node, kFirstCookie, true, [](const DirectoryItem&) { return false; });
  EXPECT_EQ(view().nodes_held(), before);
}

TEST_F(BrowseFsTest, DamageIsTheErrorOfThatFileAloneAndLoggedOnce) {
  world_->add("h", "s", kTime,
              {world_->file("bad", {{"good part"}, {"bad part"}}), world_->file("good", "fine")});
  world_->damage("bad part");
  const NodeId bad = in_snapshot("bad").node;
  EXPECT_EQ(errno_of([&] { view().read(bad, 0, 100); }), EIO)
      << "a short answer would look like the end of the file";
  EXPECT_EQ(errno_of([&] { view().read(bad, 0, 100); }), EIO);
  EXPECT_EQ(content(bad, 0, 9), "good part");
  EXPECT_EQ(content(in_snapshot("good").node), "fine");
  EXPECT_THAT(view().damage(),
              ElementsAre(::testing::AllOf(HasSubstr("bad"), HasSubstr("data/damaged"))));
}

TEST_F(BrowseFsTest, ExtentsThatLieAreDamageAndNotOtherBytes) {
  auto beyond = world_->file("beyond", "content");
  beyond.mutable_extents(0)->set_chunk_offset(3);  // of a chunk of 7 bytes, 7 bytes from 3 on
  auto shorter = world_->file("shorter", "content");
  shorter.set_size(100);
  world_->add("h", "s", kTime, {beyond});
  EXPECT_EQ(errno_of([&] { view().read(in_snapshot("beyond").node, 0, 100); }), EIO);
  BrowseFile file{*world_, shorter};
  EXPECT_THROW(file.read(0, 100), Error)
      << "fewer bytes than the size would look like the end of the file";
}

TEST_F(BrowseFsTest, AMissingDirectoryNodeIsAnErrorAndNotAnEmptyDirectory) {
  const auto sub = world_->directory("sub", {world_->file("f", "x")});
  world_->add("h", "s", kTime, {sub, world_->file("other", "y")});
  const NodeId node = in_snapshot("sub").node;
  world_->chunks().remove(repo::ChunkKind::tree, *repo::subtree_of(sub));
  EXPECT_EQ(errno_of([&] { names(node); }), EIO);
  EXPECT_EQ(errno_of([&] { view().lookup(node, "f"); }), EIO);
  EXPECT_EQ(content(in_snapshot("other").node), "y");
}

TEST_F(BrowseFsTest, SequentialReadersAreReadAheadOf) {
  std::vector<BrowseWorld::Piece> pieces;
  pieces.reserve(64);
  for (int i = 0; i < 64; ++i)
    pieces.push_back({std::string(256 * 1024, static_cast<char>('A' + i))});
  world_->add("h", "s", kTime, {world_->file("f", pieces)});
  const NodeId node = in_snapshot("f").node;
  view().read(node, 0, 128 * 1024);
  const std::size_t after_first = world_->prefetched();
  EXPECT_GT(after_first, 0U);
  view().read(node, 128 * 1024, 128 * 1024);
  view().read(node, 256 * 1024, 128 * 1024);
  EXPECT_GT(world_->prefetched(), after_first);
  EXPECT_LT(world_->prefetched(), 60U) << "how far is bounded";
}

TEST_F(BrowseFsTest, RandomReadersAreNot) {
  std::vector<BrowseWorld::Piece> pieces;
  pieces.reserve(64);
  for (int i = 0; i < 64; ++i)
    pieces.push_back({std::string(256 * 1024, static_cast<char>('A' + i))});
  world_->add("h", "s", kTime, {world_->file("f", pieces)});
  const NodeId node = in_snapshot("f").node;
  for (const std::uint64_t mib : {9U, 4U, 14U, 1U, 12U}) view().read(node, mib << 20U, 4096);
  EXPECT_LE(world_->prefetched(), 5U);
}

TEST_F(BrowseFsTest, NewSnapshotsAppearWhenSomebodyLooks) {
  world_->add("h", "s", kTime, {world_->file("f", "one")});
  EXPECT_EQ(view().read_link(lookup("snapshots/h/s/latest").node), kTime);
  world_->add("h", "s", kLater, {world_->file("f", "two")});
  world_->add("new", "s", kLater, {});
  const std::size_t before = world_->refreshes();
  EXPECT_EQ(view().read_link(lookup("snapshots/h/s/latest").node), kTime) << "the list is young";
  EXPECT_EQ(world_->refreshes(), before);
  clock_.advance(std::chrono::seconds{4});
  EXPECT_EQ(view().read_link(lookup("snapshots/h/s/latest").node), kLater);
  EXPECT_THAT(names(lookup("snapshots").node), UnorderedElementsAre("h", "new"));
}

TEST_F(BrowseFsTest, TheKernelIsToldWhatIsNoLongerSo) {
  world_->add("h", "s", kTime, {});
  const NodeId line = lookup("snapshots/h/s").node;
  const NodeId hosts = lookup("snapshots").node;
  std::vector<std::pair<NodeId, std::string>> told;
  view().set_invalidate(
      [&](NodeId parent, std::string_view name) { told.emplace_back(parent, name); });
  world_->add("h", "s", kLater, {});
  world_->add("new", "s", kTime, {});
  view().refresh_now();
  EXPECT_THAT(told,
              UnorderedElementsAre(Pair(line, "latest"), Pair(line, kLater), Pair(hosts, "new")));
}

TEST_F(BrowseFsTest, AStoreThatFailsLeavesTheOldList) {
  world_->add("h", "s", kTime, {world_->file("f", "one")});
  view();
  world_->fail_refresh(Error{ErrorCode::unavailable, "the store is away"});
  clock_.advance(std::chrono::seconds{4});
  EXPECT_EQ(content(in_snapshot("f").node), "one");
  EXPECT_THROW(view().refresh_now(), Error);
  world_->fail_refresh(std::nullopt);
  world_->add("h", "s", kLater, {});
  view().refresh_now();
  EXPECT_EQ(view().read_link(lookup("snapshots/h/s/latest").node), kLater);
}

TEST_F(BrowseFsTest, ARemovedSnapshotGoes) {
  const SnapshotId id = world_->add("h", "s", kTime, {});
  EXPECT_THAT(names(lookup("snapshots").node), SizeIs(1));
  world_->remove(id);
  view().refresh_now();
  EXPECT_THAT(names(lookup("snapshots").node), IsEmpty());
  EXPECT_THAT(names(lookup("ids").node), IsEmpty());
}

TEST_F(BrowseFsTest, ManyThreadsReadAtOnce) {
  std::vector<repo::Entry> entries;
  entries.reserve(3000);
  for (int i = 0; i < 200; ++i)
    entries.push_back(world_->file(fmt::format("f{}", i), fmt::format("text {}", i)));
  world_->add("h", "s", kTime, entries);
  const NodeId root = lookup(fmt::format("snapshots/h/s/{}", kTime)).node;
  std::vector<std::future<void>> readers;
  readers.reserve(4);
  for (int t = 0; t < 4; ++t) {
    readers.push_back(std::async(std::launch::async, [&, t] {
      for (int i = t; i < 200; ++i) {
        const NodeReply node = view().lookup(root, fmt::format("f{}", i));
        EXPECT_EQ(content(node.node), fmt::format("text {}", i));
        view().forget(node.node, 1);
        if (i % 50 == 0) names(root);
      }
    }));
  }
  for (auto& reader : readers) reader.get();
}

}  // namespace
}  // namespace vgerfs::fs
