// The FUSE binding over a socket pair: what the kernel asks, what it is told.
#include <fcntl.h>
#include <linux/falloc.h>

#include <chrono>
#include <future>

#include <gmock/gmock.h>

#include "fs/browse_world.h"
#include "fs/fake_ingest.h"
#include "fs/fake_kernel.h"
#include "fs/fuse/error_number.h"
#include "fs/fuse/read_ahead.h"
#include "fs/fuse/session.h"
#include "support/manual_clock.h"

namespace vgerfs::fs {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using ::testing::UnorderedElementsAre;
using vgerfs::testing::Answer;
using vgerfs::testing::BrowseWorld;
using vgerfs::testing::FakeIngest;
using vgerfs::testing::FakeKernel;
using vgerfs::testing::kLater;
using vgerfs::testing::kTime;
using vgerfs::testing::ListedName;
using vgerfs::testing::ManualClock;

/// Looks again and again: what it waits for happens on another thread.
template <class Condition>
bool eventually(Condition condition) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds{30};
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::yield();
  }
  return true;
}

class BindingTest : public ::testing::Test {
 protected:
  enum class Kind { writable, read_only, ingest_only };

  void SetUp() override {
    auto owned = std::make_unique<BrowseWorld>();
    world_ = owned.get();
    world_->add("h", "s", kTime,
                {world_->file("file", "content"), world_->file("bad", "bad part"),
                 world_->directory("sub", {})});
    world_->damage("bad part");
    world_->refresh();
    BrowseOptions options;
    options.clock = &clock_;
    browse_ = std::make_unique<BrowseFs>(std::move(owned), options);
    ControlOptions control;
    control.status = [] { return std::string{"all is well\n"}; };
    control.status_json = [] { return std::string{"{}\n"}; };
    control.clock = &clock_;
    control.commit = [this](const std::string& source, const std::string& trigger) {
      const std::lock_guard lock{mutex_};
      commits_.push_back(source + " " + trigger);
      if (source == "broken") throw Error{ErrorCode::no_space, "the disk is full"};
    };
    control_ = std::make_unique<ControlFs>(std::move(control));
  }

  void start(Kind kind) {
    Views views{browse_.get(), &ingest_, control_.get()};
    if (kind == Kind::read_only) views.ingest = nullptr;
    if (kind == Kind::ingest_only) views.browse = nullptr;
    root_ = std::make_unique<MountRoot>(views, 0, 0, Timestamp{});
    SessionOptions options;
    options.read_only = kind == Kind::read_only;
    options.statistics = [] {
      return FsStatistics{.block_bytes = 4096, .blocks = 100, .free_blocks = 40};
    };
    session_ = std::make_unique<Session>(views, *root_, options);
    session_->serve_descriptor(kernel_.descriptor(), [this] { ended_.set_value(); });
    handshake_ = kernel_.handshake();
  }
  void TearDown() override {
    ingest_.release_sync();
    session_.reset();
  }

  std::uint64_t snapshot() { return kernel_.walk(std::string{"snapshots/h/s/"} + kTime); }
  std::uint64_t source() {
    fuse_mkdir_in arguments{};
    arguments.mode = 0755;
    const Answer made =
        kernel_.call_with(FUSE_MKDIR, kernel_.walk("ingest"), arguments, FakeKernel::name("s"));
    return made.as<fuse_entry_out>().nodeid;
  }
  struct File {
    std::uint64_t node = 0;
    std::uint64_t handle = 0;
    std::uint32_t flags = 0;
  };
  File created(std::uint64_t parent, std::string_view name = "f") {
    fuse_create_in arguments{};
    arguments.flags = O_RDWR | O_CREAT;
    arguments.mode = S_IFREG | 0644;
    arguments.umask = 022;
    const Answer made = kernel_.call_with(FUSE_CREATE, parent, arguments, FakeKernel::name(name));
    EXPECT_EQ(made.error, 0);
    const auto entry = made.as<fuse_entry_out>();
    const auto opened = Answer{0, made.body.substr(sizeof entry)}.as<fuse_open_out>();
    return {entry.nodeid, opened.fh, opened.open_flags};
  }

  ManualClock clock_;
  BrowseWorld* world_ = nullptr;
  std::unique_ptr<BrowseFs> browse_;
  FakeIngest ingest_;
  std::mutex mutex_;
  std::vector<std::string> commits_;
  std::unique_ptr<ControlFs> control_;
  std::unique_ptr<MountRoot> root_;
  FakeKernel kernel_;
  std::unique_ptr<Session> session_;
  fuse_init_out handshake_{};
  std::promise<void> ended_;
};

std::vector<std::string> names_of(const std::vector<ListedName>& listed) {
  std::vector<std::string> names;
  names.reserve(listed.size());
  for (const ListedName& each : listed) names.push_back(each.name);
  return names;
}

TEST_F(BindingTest, TheHandshakeAsksForWhatIsNeeded) {
  start(Kind::writable);
  const std::uint32_t wanted = FUSE_POSIX_ACL | FUSE_DONT_MASK | FUSE_ATOMIC_O_TRUNC |
                               FUSE_DO_READDIRPLUS | FUSE_CACHE_SYMLINKS | FUSE_AUTO_INVAL_DATA;
  EXPECT_EQ(handshake_.flags & wanted, wanted);
  EXPECT_EQ(handshake_.flags & (FUSE_READDIRPLUS_AUTO | FUSE_WRITEBACK_CACHE), 0U);
  EXPECT_EQ(handshake_.max_write, 1U << 20);
}

TEST_F(BindingTest, TheRootHasTheViewsOfTheMount) {
  start(Kind::writable);
  EXPECT_THAT(names_of(kernel_.list(FUSE_ROOT_ID, true)),
              UnorderedElementsAre(".", "..", "snapshots", "ids", "ingest", ".vgerfs"));
}

TEST_F(BindingTest, AReadOnlyMountHasNoIngest) {
  start(Kind::read_only);
  EXPECT_THAT(names_of(kernel_.list(FUSE_ROOT_ID, true)),
              UnorderedElementsAre(".", "..", "snapshots", "ids", ".vgerfs"));
  EXPECT_EQ(kernel_.lookup(FUSE_ROOT_ID, "ingest").as<fuse_entry_out>().nodeid, 0U);
  EXPECT_EQ(kernel_
                .call(FUSE_GETATTR, node_in(View::ingest, 1),
                      FakeKernel::bytes_of_struct(fuse_getattr_in{}))
                .error,
            ENOENT);
}

TEST_F(BindingTest, AnIngestOnlyMountHasNoSnapshots) {
  start(Kind::ingest_only);
  EXPECT_THAT(names_of(kernel_.list(FUSE_ROOT_ID, false)),
              UnorderedElementsAre(".", "..", "ingest", ".vgerfs"));
}

TEST_F(BindingTest, AbsentNamesAreRemembered) {
  start(Kind::writable);
  const Answer absent = kernel_.lookup(snapshot(), "no such name");
  EXPECT_EQ(absent.error, 0);
  EXPECT_EQ(absent.as<fuse_entry_out>().nodeid, 0U);
  EXPECT_GT(absent.as<fuse_entry_out>().entry_valid, 3600U);
  EXPECT_GT(kernel_.lookup(source(), "no such name").as<fuse_entry_out>().entry_valid, 3600U);
}

TEST_F(BindingTest, ImmutableContentIsKeptForLongAndTheRestForASecond) {
  start(Kind::writable);
  const auto file = kernel_.lookup(snapshot(), "file").as<fuse_entry_out>();
  EXPECT_GT(file.entry_valid, 3600U);
  EXPECT_GT(file.attr_valid, 3600U);
  const std::uint64_t line = kernel_.walk("snapshots/h/s");
  const auto latest = kernel_.lookup(line, "latest").as<fuse_entry_out>();
  EXPECT_EQ(latest.entry_valid, 1U);
  const auto host = kernel_.lookup(kernel_.walk("snapshots"), "h").as<fuse_entry_out>();
  EXPECT_EQ(host.entry_valid, 1U);
  EXPECT_EQ(host.attr_valid, 1U);
}

TEST_F(BindingTest, AReadOnlyMountLetsTheKernelLeaveOutOpenAndFlush) {
  start(Kind::read_only);
  const std::uint64_t file = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  EXPECT_EQ(kernel_.open(file, O_RDONLY).error, ENOSYS);
  EXPECT_EQ(kernel_.open(snapshot(), O_RDONLY, true).error, ENOSYS);
  EXPECT_EQ(kernel_.flush(file, 0).error, ENOSYS);
  EXPECT_EQ(kernel_.read(file, 0, 0, 100).body, "content");
}

TEST_F(BindingTest, FsyncIsNeverUnknownEvenInAReadOnlyMount) {
  // ENOSYS would mean silent success for the whole connection.
  start(Kind::read_only);
  const std::uint64_t file = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  const std::string arguments = FakeKernel::bytes_of_struct(fuse_fsync_in{});
  EXPECT_EQ(kernel_.call(FUSE_FSYNC, file, arguments).error, 0);
  EXPECT_EQ(kernel_.call(FUSE_FSYNCDIR, snapshot(), arguments).error, 0);
  EXPECT_EQ(kernel_.call(FUSE_FSYNCDIR, FUSE_ROOT_ID, arguments).error, 0);
}

TEST_F(BindingTest, AWritableMountNeverSaysThatOpenIsUnknown) {
  start(Kind::writable);
  const std::uint64_t file = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  const Answer opened = kernel_.open(file, O_RDONLY);
  EXPECT_EQ(opened.error, 0);
  EXPECT_EQ(opened.as<fuse_open_out>().open_flags, FOPEN_KEEP_CACHE | FOPEN_NOFLUSH);
  EXPECT_EQ(kernel_.open(snapshot(), O_RDONLY, true).as<fuse_open_out>().open_flags,
            FOPEN_KEEP_CACHE | FOPEN_CACHE_DIR);
  EXPECT_EQ(
      kernel_.open(kernel_.walk("snapshots/h/s"), O_RDONLY, true).as<fuse_open_out>().open_flags,
      0U)
      << "names come and go there";
  EXPECT_EQ(kernel_.flush(file, 0).error, 0);
}

TEST_F(BindingTest, FilesOfTheIngestViewAreNotCached) {
  start(Kind::writable);
  const File file = created(source());
  EXPECT_EQ(file.flags, static_cast<std::uint32_t>(FOPEN_DIRECT_IO));
  const Answer reading = kernel_.open(file.node, O_RDONLY);
  EXPECT_EQ(reading.as<fuse_open_out>().open_flags, FOPEN_DIRECT_IO | FOPEN_NOFLUSH);
  EXPECT_EQ(kernel_.write(file.node, file.handle, 0, "hello").as<fuse_write_out>().size, 5U);
  EXPECT_EQ(kernel_.read(file.node, file.handle, 1, 100).body, "ello");
  fuse_release_in release{};
  release.fh = file.handle;
  EXPECT_EQ(kernel_.call_with(FUSE_RELEASE, file.node, release).error, 0);
  EXPECT_THAT(ingest_.open_handles(), SizeIs(1));
}

TEST_F(BindingTest, AttributesThatAWriteChangedAreOldBeforeItIsAnswered) {
  start(Kind::writable);
  const File file = created(source());
  kernel_.write(file.node, file.handle, 0, "strip");
  EXPECT_THAT(kernel_.outdated(), ElementsAre(file.node));
}

TEST_F(BindingTest, AWriteThatIsToBeDurableIsSyncedBeforeItIsAnswered) {
  start(Kind::writable);
  const File file = created(source());
  const std::string synced = fmt::format("fsync {}", file.node & 0xFF);
  EXPECT_EQ(kernel_.write(file.node, file.handle, 0, "whenever").error, 0);
  EXPECT_THAT(ingest_.log(), Not(Contains(synced)));
  for (const std::uint32_t flags : {std::uint32_t{O_DSYNC}, std::uint32_t{O_SYNC}}) {
    EXPECT_EQ(kernel_.write(file.node, file.handle, 0, "at once", flags).error, 0);
    EXPECT_THAT(ingest_.log(), Contains(synced).Times(flags == O_DSYNC ? 1 : 2));
  }
}

TEST_F(BindingTest, OpeningWithTruncationReachesTheView) {
  start(Kind::writable);
  const File file = created(source());
  kernel_.open(file.node, O_WRONLY | O_TRUNC);
  EXPECT_THAT(ingest_.log(),
              Contains(fmt::format("open {} flags={:o}", file.node & 0xFF, O_WRONLY | O_TRUNC)));
}

TEST_F(BindingTest, NothingBelowSnapshotsCanBeChanged) {
  start(Kind::writable);
  const std::uint64_t directory = snapshot();
  const std::uint64_t file = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  EXPECT_EQ(kernel_.open(file, O_RDWR).error, EROFS);
  EXPECT_EQ(kernel_.open(file, O_RDONLY | O_TRUNC).error, EROFS);
  EXPECT_EQ(kernel_.call_with(FUSE_SETATTR, file, fuse_setattr_in{}).error, EROFS);
  EXPECT_EQ(kernel_.call_with(FUSE_MKDIR, directory, fuse_mkdir_in{}, FakeKernel::name("x")).error,
            EROFS);
  EXPECT_EQ(kernel_.call_with(FUSE_MKNOD, directory, fuse_mknod_in{}, FakeKernel::name("x")).error,
            EROFS);
  EXPECT_EQ(
      kernel_.call_with(FUSE_CREATE, directory, fuse_create_in{}, FakeKernel::name("x")).error,
      EROFS);
  EXPECT_EQ(
      kernel_.call(FUSE_SYMLINK, directory, FakeKernel::name("x") + FakeKernel::name("y")).error,
      EROFS);
  EXPECT_EQ(kernel_.call(FUSE_UNLINK, directory, FakeKernel::name("file")).error, EROFS);
  EXPECT_EQ(kernel_.call(FUSE_RMDIR, directory, FakeKernel::name("sub")).error, EROFS);
  EXPECT_EQ(kernel_.call(FUSE_REMOVEXATTR, file, FakeKernel::name("user.a")).error, EROFS);
  EXPECT_EQ(
      kernel_.call_with(FUSE_SETXATTR, file, fuse_setxattr_in{}, FakeKernel::name("user.a")).error,
      EROFS);
  EXPECT_EQ(kernel_.write(file, 0, 0, "x").error, EROFS);
  EXPECT_EQ(
      kernel_.call_with(FUSE_MKDIR, FUSE_ROOT_ID, fuse_mkdir_in{}, FakeKernel::name("x")).error,
      EROFS);
  EXPECT_EQ(
      kernel_.call_with(FUSE_MKDIR, kernel_.walk(".vgerfs"), fuse_mkdir_in{}, FakeKernel::name("x"))
          .error,
      EROFS);
  EXPECT_THAT(ingest_.log(), IsEmpty());
}

TEST_F(BindingTest, HardLinksAndRenamesStayInTheirView) {
  start(Kind::writable);
  const std::uint64_t directory = source();
  fuse_link_in link{};
  link.oldnodeid = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  EXPECT_EQ(kernel_.call_with(FUSE_LINK, directory, link, FakeKernel::name("x")).error, EXDEV);
  fuse_rename2_in rename{};
  rename.newdir = snapshot();
  EXPECT_EQ(
      kernel_
          .call_with(FUSE_RENAME2, directory, rename, FakeKernel::name("a") + FakeKernel::name("b"))
          .error,
      EROFS);
}

TEST_F(BindingTest, ChangesArriveAsTheyAreMeant) {
  start(Kind::writable);
  const std::uint64_t directory = source();
  const File file = created(directory);
  fuse_setattr_in change{};
  change.valid = FATTR_MODE | FATTR_SIZE | FATTR_MTIME | FATTR_ATIME | FATTR_ATIME_NOW | FATTR_FH;
  change.fh = file.handle;
  change.mode = S_IFREG | 04755;
  change.size = 12;
  change.mtime = 99;
  EXPECT_EQ(kernel_.call_with(FUSE_SETATTR, file.node, change).error, 0);
  fuse_rename2_in rename{};
  rename.newdir = directory;
  const std::string names = FakeKernel::name("a") + FakeKernel::name("b");
  for (const std::uint32_t flags : {0U, 1U, 2U}) {
    rename.flags = flags;
    EXPECT_EQ(kernel_.call_with(FUSE_RENAME2, directory, rename, names).error, 0);
  }
  rename.flags = 4;  // RENAME_WHITEOUT
  EXPECT_EQ(kernel_.call_with(FUSE_RENAME2, directory, rename, names).error, EINVAL);
  fuse_mknod_in node{};
  node.mode = S_IFCHR | 0600;
  node.rdev = (1U << 8U) | 3U;
  EXPECT_EQ(kernel_.call_with(FUSE_MKNOD, directory, node, FakeKernel::name("null")).error, 0);
  EXPECT_THAT(
      ingest_.log(),
      ElementsAre(
          "mkdir s 755 umask=0", fmt::format("create f 644 flags={:o}", O_RDWR | O_CREAT),
          fmt::format("setattr handle={} mode=4755 size=12 mtime=99 atime_now=true uid=1000",
                      file.handle),
          "rename a b 0", "rename a b 1", "rename a b 2", "mknod null 20600 1:3"));
}

TEST_F(BindingTest, PreallocationKnowsItsModes) {
  start(Kind::writable);
  const File file = created(source());
  kernel_.write(file.node, file.handle, 0, "0123456789");
  const auto call = [&](std::uint32_t mode, std::uint64_t offset, std::uint64_t length) {
    fuse_fallocate_in arguments{};
    arguments.fh = file.handle;
    arguments.mode = mode;
    arguments.offset = offset;
    arguments.length = length;
    return kernel_.call_with(FUSE_FALLOCATE, file.node, arguments).error;
  };
  EXPECT_EQ(call(0, 0, 5), 0);
  EXPECT_EQ(call(FALLOC_FL_KEEP_SIZE, 0, 5), 0);
  EXPECT_EQ(call(FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 1, 2), 0);
  EXPECT_EQ(call(FALLOC_FL_ZERO_RANGE, 8, 5), 0);
  EXPECT_EQ(call(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 8, 5), 0);
  EXPECT_EQ(call(FALLOC_FL_ZERO_RANGE | FALLOC_FL_KEEP_SIZE, 20, 5), 0);
  EXPECT_EQ(call(FALLOC_FL_COLLAPSE_RANGE, 0, 4096), EOPNOTSUPP);
  EXPECT_EQ(call(FALLOC_FL_INSERT_RANGE, 0, 4096), EOPNOTSUPP);
  std::vector<std::string> log = ingest_.log();
  log.erase(log.begin(), log.begin() + 2);
  EXPECT_THAT(log, ElementsAre("fallocate 0 0 5", "fallocate 1 0 5", "fallocate 2 1 2",
                               "fallocate 3 8 5", "fallocate 3 8 2"));
}

TEST_F(BindingTest, SeeksAreForDataAndHolesOnly) {
  start(Kind::writable);
  const std::uint64_t file = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/file");
  fuse_lseek_in arguments{};
  arguments.whence = SEEK_HOLE;
  EXPECT_EQ(kernel_.call_with(FUSE_LSEEK, file, arguments).as<fuse_lseek_out>().offset, 7U);
  arguments.offset = 8;
  EXPECT_EQ(kernel_.call_with(FUSE_LSEEK, file, arguments).error, ENXIO);
  arguments.whence = SEEK_END;
  EXPECT_EQ(kernel_.call_with(FUSE_LSEEK, file, arguments).error, EINVAL);
}

TEST_F(BindingTest, ExtendedAttributesRespectTheCallersBuffer) {
  start(Kind::writable);
  const std::uint64_t node = source();
  const auto get = [&](const char* name, std::uint32_t size) {
    fuse_getxattr_in arguments{};
    arguments.size = size;
    return kernel_.call_with(FUSE_GETXATTR, node, arguments, FakeKernel::name(name));
  };
  EXPECT_EQ(get("user.a", 0).as<fuse_getxattr_out>().size, 3U);
  EXPECT_EQ(get("user.a", 3).body, "val");
  EXPECT_EQ(get("user.a", 2).error, ERANGE);
  EXPECT_EQ(get("user.x", 0).error, ENODATA);
  fuse_getxattr_in list{};
  list.size = 100;
  EXPECT_EQ(kernel_.call_with(FUSE_LISTXATTR, node, list).body,
            std::string("user.a\0user.b\0", 14));
}

TEST_F(BindingTest, DirectoriesAreReadInSmallSteps) {
  std::vector<repo::Entry> entries;
  entries.reserve(500);
  std::vector<std::string> expected{".", ".."};
  for (int i = 0; i < 500; ++i) {
    expected.push_back(fmt::format("file{:04}", i));
    entries.push_back(world_->file(expected.back(), "x"));
  }
  world_->add("h", "s", kLater, entries);
  browse_->refresh_now();
  start(Kind::writable);
  const std::uint64_t node = kernel_.walk(std::string{"snapshots/h/s/"} + kLater);
  EXPECT_EQ(names_of(kernel_.list(node, false, 300)), expected);
  const std::size_t before = browse_->nodes_held();
  const auto listed = kernel_.list(node, true, 1000);
  EXPECT_EQ(names_of(listed), expected);
  EXPECT_EQ(browse_->nodes_held(), before + 500)
      << "one reference for each name that the kernel was given";
  for (const ListedName& each : listed) {
    if (each.node == 0) continue;
    fuse_forget_in forget{};
    forget.nlookup = 1;
    kernel_.send(FUSE_FORGET, each.node, FakeKernel::bytes_of_struct(forget));
  }
  EXPECT_TRUE(eventually([&] { return browse_->nodes_held() == before; }))
      << browse_->nodes_held() << " instead of " << before;
}

TEST_F(BindingTest, FailuresBecomeTheirErrno) {
  start(Kind::writable);
  const std::uint64_t directory = source();
  const auto errno_for = [&](std::exception_ptr error) {
    ingest_.fail_next(std::move(error));
    return kernel_.call(FUSE_FSYNCDIR, directory, FakeKernel::bytes_of_struct(fuse_fsync_in{}))
        .error;
  };
  EXPECT_EQ(errno_for(std::make_exception_ptr(FsError{EXDEV})), EXDEV);
  EXPECT_EQ(errno_for(std::make_exception_ptr(Error{ErrorCode::no_space, "full"})), ENOSPC);
  EXPECT_EQ(errno_for(std::make_exception_ptr(Error{ErrorCode::unavailable, "away"})), EREMOTEIO);
  EXPECT_EQ(errno_for(std::make_exception_ptr(Error{ErrorCode::busy, "in use"})), EBUSY);
  EXPECT_EQ(errno_for(std::make_exception_ptr(std::bad_alloc{})), ENOMEM);
  EXPECT_EQ(errno_for(std::make_exception_ptr(std::runtime_error{"?"})), EIO);
  EXPECT_EQ(errno_for(std::make_exception_ptr(42)), EIO);
  EXPECT_EQ(errno_for(nullptr), 0);
  for (const auto code :
       {ErrorCode::usage, ErrorCode::not_found, ErrorCode::exists, ErrorCode::wrong_key,
        ErrorCode::denied, ErrorCode::unsupported, ErrorCode::corrupt, ErrorCode::rollback,
        ErrorCode::read_only, ErrorCode::no_repository, ErrorCode::interrupted, ErrorCode::io}) {
    EXPECT_NE(error_number_of(code), ENOSYS)
        << to_string(code) << ": it would switch the call off for ever";
    EXPECT_NE(error_number_of(code), 0);
  }
}

TEST_F(BindingTest, ADamagedFileIsEio) {
  start(Kind::writable);
  const std::uint64_t bad = kernel_.walk(std::string{"snapshots/h/s/"} + kTime + "/bad");
  EXPECT_EQ(kernel_.read(bad, 0, 0, 100).error, EIO);
}

TEST_F(BindingTest, ASyncThatWaitsLetsOthersGoOn) {
  start(Kind::writable);
  const std::uint64_t directory = source();
  ingest_.hold_sync();
  std::vector<std::uint64_t> waiting;
  waiting.reserve(40);
  for (int i = 0; i < 40; ++i) waiting.push_back(kernel_.send_fsyncdir(directory));
  EXPECT_EQ(kernel_.lookup(snapshot(), "file").error, 0);
  EXPECT_FALSE(kernel_.answered(waiting[0], 50));
  ingest_.release_sync();
  for (const std::uint64_t each : waiting) EXPECT_EQ(kernel_.receive(each).error, 0);
}

TEST_F(BindingTest, AnInterruptedSyncIsAnsweredAtOnce) {
  start(Kind::writable);
  ingest_.hold_sync();
  const std::uint64_t waiting = kernel_.send_fsyncdir(source());
  EXPECT_FALSE(kernel_.answered(waiting, 50));
  kernel_.interrupt(waiting);
  EXPECT_EQ(kernel_.receive(waiting).error, EINTR);
}

TEST_F(BindingTest, TheEndOfTheMountInterruptsWaitingSyncs) {
  start(Kind::writable);
  ingest_.hold_sync();
  const std::uint64_t waiting = kernel_.send_fsyncdir(source());
  EXPECT_FALSE(kernel_.answered(waiting, 50));
  session_->stop();
  EXPECT_EQ(kernel_.receive(waiting).error, EINTR);
}

TEST_F(BindingTest, WhatNobodyTookIsGivenBack) {
  start(Kind::writable);
  const std::uint64_t directory = source();
  const File file = created(directory);
  fuse_release_in release{};
  release.fh = file.handle;
  kernel_.call_with(FUSE_RELEASE, file.node, release);
  const auto asked = [&](const std::string& what) {
    return eventually([&] {
      const auto log = ingest_.log();
      return std::find(log.begin(), log.end(), what) != log.end();
    });
  };
  const std::string forget = fmt::format("forget {} 1", file.node & 0xFF);
  kernel_.stop_listening();
  fuse_read_in read{};
  read.size = 4096;
  kernel_.send(FUSE_READDIRPLUS, directory, FakeKernel::bytes_of_struct(read));
  EXPECT_TRUE(asked(forget)) << "a listed node";
  fuse_open_in open{};
  kernel_.send(FUSE_OPEN, file.node, FakeKernel::bytes_of_struct(open));
  EXPECT_TRUE(asked(fmt::format("open {} flags=0", file.node & 0xFF)));
  EXPECT_TRUE(eventually([&] { return ingest_.open_handles().empty(); })) << "an open file";
  fuse_create_in create{};
  create.flags = O_WRONLY | O_CREAT;
  kernel_.send(FUSE_CREATE, directory,
               FakeKernel::bytes_of_struct(create) + FakeKernel::name("new"));
  EXPECT_TRUE(asked(fmt::format("forget {} 1", (file.node & 0xFF) + 1))) << "a new file";
  EXPECT_TRUE(eventually([&] { return ingest_.open_handles().empty(); }));
}

TEST_F(BindingTest, AHangUpEndsTheSession) {
  start(Kind::writable);
  kernel_.hang_up();
  EXPECT_EQ(ended_.get_future().wait_for(std::chrono::seconds{30}), std::future_status::ready);
}

TEST_F(BindingTest, ASnapshotIsVisibleWhenItsSyncReturns) {
  start(Kind::writable);
  kernel_.walk("snapshots/h/s/latest");
  ingest_.on_sync = [this] {
    world_->add("h", "s", kLater, {});
    world_->refresh();
  };
  EXPECT_EQ(kernel_.receive(kernel_.send_fsyncdir(source())).error, 0);
  EXPECT_THAT(kernel_.invalidated(), UnorderedElementsAre("latest", kLater)) << "before the answer";
  EXPECT_EQ(kernel_.call(FUSE_READLINK, kernel_.walk("snapshots/h/s/latest")).body, kLater);
}

TEST_F(BindingTest, WritingToTheControlFileCommits) {
  start(Kind::writable);
  const std::uint64_t file = kernel_.walk(".vgerfs/commit");
  const auto opened = kernel_.open(file, O_WRONLY | O_TRUNC).as<fuse_open_out>();
  EXPECT_EQ(kernel_.flush(file, opened.fh).error, 0)
      << "of the shell's redirection, before the first byte";
  EXPECT_EQ(kernel_.write(file, opened.fh, 0, "home\n").as<fuse_write_out>().size, 5U);
  EXPECT_EQ(kernel_.write(file, opened.fh, 5, "etc umount\n*").as<fuse_write_out>().size, 12U);
  EXPECT_EQ(kernel_.flush(file, opened.fh).error, 0);
  EXPECT_THAT(commits_, ElementsAre("home control", "etc umount", "* control"));
}

TEST_F(BindingTest, AFailedCommitIsTheErrnoOfTheWrite) {
  start(Kind::writable);
  const std::uint64_t file = kernel_.walk(".vgerfs/commit");
  const auto opened = kernel_.open(file, O_WRONLY).as<fuse_open_out>();
  EXPECT_EQ(kernel_.write(file, opened.fh, 0, "broken\n").error, ENOSPC);
  EXPECT_EQ(kernel_.write(file, opened.fh, 0, "home nonsense\n").error, EINVAL);
  EXPECT_EQ(kernel_.write(file, opened.fh, 0, "broken").error, 0);
  EXPECT_EQ(kernel_.flush(file, opened.fh).error, ENOSPC)
      << "a line without an end is one at close";
  EXPECT_EQ(kernel_.open(file, O_RDONLY).error, EACCES);
}

TEST_F(BindingTest, TheStatusIsReadAsOneText) {
  start(Kind::writable);
  const std::uint64_t file = kernel_.walk(".vgerfs/status");
  const auto opened = kernel_.open(file, O_RDONLY).as<fuse_open_out>();
  EXPECT_EQ(opened.open_flags, FOPEN_DIRECT_IO | FOPEN_NOFLUSH);
  EXPECT_EQ(kernel_.read(file, opened.fh, 0, 100).body, "all is well\n");
  EXPECT_EQ(kernel_.read(file, opened.fh, 4, 100).body, "is well\n");
  EXPECT_EQ(kernel_.open(file, O_RDWR).error, EROFS);
}

TEST_F(BindingTest, AReadOnlyMountShowsItsStatusWithoutOpen) {
  start(Kind::read_only);
  const auto entry = kernel_.lookup(kernel_.walk(".vgerfs"), "status").as<fuse_entry_out>();
  EXPECT_EQ(entry.attr.size, 12U) << "the kernel reads as far as that";
  EXPECT_EQ(kernel_.read(entry.nodeid, 0, 0, 4096).body, "all is well\n");
}

TEST_F(BindingTest, StatisticsAreThoseOfTheStore) {
  start(Kind::writable);
  const auto statistics = kernel_.call(FUSE_STATFS, FUSE_ROOT_ID).as<fuse_statfs_out>();
  EXPECT_EQ(statistics.st.blocks, 100U);
  EXPECT_EQ(statistics.st.bavail, 40U);
  EXPECT_EQ(statistics.st.namelen, 255U);
}

TEST(ReadAhead, FindsTheMountOnTop) {
  const std::string mountinfo =
      "20 1 0:20 / / rw - ext4 /dev/a rw\n"
      "30 20 0:53 / /mnt/with\\040blank rw,nosuid - fuse.vgerfs /repo rw\n"
      "31 30 0:54 / /mnt/with\\040blank rw,nosuid - fuse.vgerfs /repo rw\n";
  EXPECT_EQ(device_of_mount(mountinfo, "/mnt/with blank"), "0:54");
  EXPECT_EQ(device_of_mount(mountinfo, "/mnt"), "");
}

}  // namespace
}  // namespace vgerfs::fs
