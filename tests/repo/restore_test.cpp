#include "repo/restore.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <cstdarg>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "backup_run.h"
#include "file_tree.h"
#include "repo/content_reader.h"
#include "repo/tree_walk.h"
#include "support/fixed_random.h"

namespace {

/// The end of a path whose close(2) fails, as that of a network file system that could not keep
/// what it had taken.
std::atomic<const char*> failing_close = nullptr;

}  // namespace

extern "C" int close(int fd) {
  static const auto original = reinterpret_cast<int (*)(int)>(::dlsym(RTLD_NEXT, "close"));
  const char* const end = failing_close;
  std::array<char, 4096> path{};
  const bool fails = end != nullptr &&
                     ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path.data(),
                                path.size() - 1) > 0 &&
                     std::string_view{path.data()}.ends_with(end);
  const int result = original(fd);
  if (!fails) return result;
  errno = EIO;
  return -1;
}

namespace {

/// Runs once, just before what is named x is opened.
std::function<void()> before_openat_of_x;

}  // namespace

extern "C" int openat(int directory, const char* name, int flags, ...) {
  static const auto original =
      reinterpret_cast<int (*)(int, const char*, int, mode_t)>(::dlsym(RTLD_NEXT, "openat"));
  mode_t mode = 0;
  if ((flags & (O_CREAT | O_TMPFILE)) != 0) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  if (std::string_view{name} == "x" && before_openat_of_x)
    std::exchange(before_openat_of_x, nullptr)();
  return original(directory, name, flags, mode);
}

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::backup;
using testing::backup_options;
using testing::latest;
using testing::read_file;
using testing::restore;
using testing::TestRepository;
using testing::write_file;

struct stat stat_of_path(const std::string& path) {
  struct stat there {};
  EXPECT_EQ(::lstat(path.c_str(), &there), 0) << path;
  return there;
}

class Restores : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(root()); }
  std::string root() const { return files_ / "root"; }
  std::string at(const std::string& name) const { return root() + "/" + name; }
  std::string target() const { return files_ / "target"; }
  std::string in_target(const std::string& name) const { return target() + "/" + name; }

  void back_up() {
    repository_ = test_.open(TestRepository::full_key(), "client");
    const auto result = backup(*repository_, backup_options({root()}));
    ASSERT_EQ(result.failures.count, 0U);
  }
  RestoreResult run(RestoreOptions options = {}, const std::string& path = {}) {
    options.target = target();
    const auto entry = find_path(repository_->reader(), latest(*repository_).root, path);
    return restore(*repository_, entry.value(), std::move(options));
  }
  /// The root of the latest snapshot when the tree of its directory d is lost: only `left` is
  /// beside it.
  Entry root_without_tree_of_d(const std::vector<std::string>& left) {
    Entry root = latest(*repository_).root;
    Entry broken = find_path(repository_->reader(), root, "d").value();
    broken.set_subtree(ChunkId{}.raw());
    Session session{*repository_, {.host = "host", .source = "broken", .checkpoint_interval_s = 0}};
    DirectoryBuilder builder{session, repository_->keyring().split_key()};
    builder.add(broken);
    for (const std::string& name : left)
      builder.add(find_path(repository_->reader(), root, name).value());
    root.set_subtree(builder.finish()->raw());
    session.checkpoint();
    return root;
  }
  std::string target_differences() {
    return testing::differences(testing::describe_tree(root()), testing::describe_tree(target()));
  }

  TestRepository test_;
  const testing::TemporaryDirectory files_;
  std::unique_ptr<Repository> repository_;
};

TEST_F(Restores, VerifiesWhatItWrote) {
  testing::make_nasty_tree(root(), 10, 50, 64 << 20);
  back_up();
  EXPECT_EQ(run({.verify = true}).failures.count, 0U);
  EXPECT_EQ(target_differences(), "");
}

TEST_F(Restores, BytesThatAreRefusedOnlyAtTheCloseAreNotCalledRestored) {
  write_file(at("good"), "good");
  write_file(at("lost"), "lost");
  back_up();
  failing_close = "/lost";
  const RestoreResult result = run();
  failing_close = nullptr;
  EXPECT_EQ(result.failures.count, 1U);
  EXPECT_EQ(read_file(in_target("good")), "good");
  EXPECT_FALSE(std::filesystem::exists(in_target("lost")));
}

TEST_F(Restores, KeepHolesAsHoles) {
  write_file(at("sparse"), "begin");
  ASSERT_EQ(::truncate(at("sparse").c_str(), 500 << 20), 0);
  back_up();
  run();
  EXPECT_EQ(read_file(in_target("sparse")).size(), 500U << 20);
  EXPECT_LT(stat_of_path(in_target("sparse")).st_blocks, 2048);
}

TEST_F(Restores, IntoADirectoryWithFilesAreRefused) {
  write_file(at("a"), "a");
  back_up();
  std::filesystem::create_directory(target());
  write_file(in_target("mine"), "mine");
  try {
    run();
    FAIL() << "it was not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::exists);
  }
  EXPECT_FALSE(std::filesystem::exists(in_target("a")));
}

TEST_F(Restores, InPlaceReplaceWhatDiffersAndLeaveTheRest) {
  testing::make_nasty_tree(root(), 10, 50, 1 << 20);
  back_up();
  run();
  write_file(in_target("extra"), "not in the snapshot");
  write_file(in_target("old"), "other content");
  write_file(in_target("nanoseconds"), "m");  // same size, other time
  std::filesystem::remove(in_target("h2/b"));
  write_file(in_target("h2/b"), "no longer a link");
  std::filesystem::remove(in_target("fifo"));
  write_file(in_target("fifo"), "no longer a fifo");
  std::filesystem::remove(in_target("absolute"));
  std::filesystem::create_symlink("elsewhere", in_target("absolute"));
  ASSERT_EQ(::chmod(in_target("empty").c_str(), 0777), 0);
  testing::set_xattr(in_target("empty"), "user.foreign", "x");
  const ino_t untouched = stat_of_path(in_target("zeros")).st_ino;
  const auto result = run({.in_place = true});
  EXPECT_EQ(result.failures.count, 0U);
  EXPECT_EQ(stat_of_path(in_target("zeros")).st_ino, untouched);
  EXPECT_TRUE(std::filesystem::exists(in_target("extra")));
  std::filesystem::remove(in_target("extra"));
  testing::set_mtime(target(), 1'111'111'111, 222'222'222);
  EXPECT_EQ(target_differences(), "");
  const auto again = run({.in_place = true});
  EXPECT_EQ(again.files + again.directories + again.others, 0U);
}

TEST_F(Restores, InPlaceTakeLinksApartThatShouldNotBe) {
  for (const char* name : {"a", "b", "c", "d"}) {
    write_file(at(name), "same content");
    testing::set_mtime(at(name), 1'500'000'000);
  }
  std::filesystem::remove(at("d"));
  ASSERT_EQ(::link(at("c").c_str(), at("d").c_str()), 0);
  back_up();
  std::filesystem::create_directory(target());
  // Everything is one inode there.
  write_file(in_target("a"), "same content");
  testing::set_mtime(in_target("a"), 1'500'000'000);
  for (const char* name : {"b", "c", "d"})
    ASSERT_EQ(::link(in_target("a").c_str(), in_target(name).c_str()), 0);
  EXPECT_EQ(run({.in_place = true}).failures.count, 0U);
  EXPECT_EQ(target_differences(), "");
}

TEST_F(Restores, VerifyInPlaceFindsContentThatSizeAndTimeDoNotTell) {
  write_file(at("a"), "the right content");
  testing::set_mtime(at("a"), 1'500'000'000);
  back_up();
  run();
  write_file(in_target("a"), "the WRONG content");
  testing::set_mtime(in_target("a"), 1'500'000'000);
  EXPECT_EQ(run({.in_place = true}).files, 0U);
  EXPECT_EQ(run({.in_place = true, .verify = true}).files, 1U);
  EXPECT_EQ(read_file(in_target("a")), "the right content");
}

TEST_F(Restores, ADryRunChangesNothingAndSaysWhatWouldBe) {
  std::filesystem::create_directories(at("d/e"));
  for (const char* name : {"same", "other", "d/e/new"}) {
    write_file(at(name), name);
    testing::set_mtime(at(name), 1'500'000'000);
  }
  back_up();
  const auto actions = [&](bool in_place) {
    std::map<std::string, RestoreAction> met;
    NoProgress progress;
    run_restore(
        repository_->reader(), latest(*repository_).root,
        {.target = target(), .in_place = in_place, .dry_run = true}, progress,
        [&](RestoreAction action, const std::string& path, const Entry&) { met[path] = action; });
    return met;
  };
  EXPECT_EQ(actions(false),
            (std::map<std::string, RestoreAction>{{"d", RestoreAction::create},
                                                  {"d/e", RestoreAction::create},
                                                  {"d/e/new", RestoreAction::create},
                                                  {"other", RestoreAction::create},
                                                  {"same", RestoreAction::create}}));
  EXPECT_FALSE(std::filesystem::exists(target()));
  std::filesystem::create_directories(in_target("d"));
  write_file(in_target("same"), "same");
  testing::set_mtime(in_target("same"), 1'500'000'000);
  write_file(in_target("other"), "another size");
  const auto before = testing::describe_tree(target());
  EXPECT_EQ(actions(true), (std::map<std::string, RestoreAction>{{"d", RestoreAction::keep},
                                                                 {"d/e", RestoreAction::create},
                                                                 {"d/e/new", RestoreAction::create},
                                                                 {"other", RestoreAction::replace},
                                                                 {"same", RestoreAction::keep}}));
  EXPECT_EQ(testing::describe_tree(target()), before);
}

TEST_F(Restores, OfPatternsMakeWhatMatchesAndTheWayToIt) {
  std::filesystem::create_directories(at("a/b/empty"));
  std::filesystem::create_directories(at("c"));
  std::filesystem::create_directories(at("docs/deep"));
  for (const char* name :
       {"a/b/x.txt", "a/b/y.bin", "c/z.bin", "docs/1", "docs/deep/2", "docs/deep/no.bak"})
    write_file(at(name), name);
  back_up();
  RestoreOptions options;
  options.include.add_lines("*.txt\n/docs/\n");
  options.exclude.add("*.bak");
  run(std::move(options));
  std::set<std::string> paths;
  for (const auto& [path, description] : testing::describe_tree(target())) paths.insert(path);
  EXPECT_EQ(paths, (std::set<std::string>{"", "a", "a/b", "a/b/x.txt", "docs", "docs/1",
                                          "docs/deep", "docs/deep/2"}));
}

TEST_F(Restores, OfAPathMakeItsContentsOrTheFile) {
  std::filesystem::create_directories(at("a/b"));
  write_file(at("a/b/c"), "c");
  back_up();
  run({}, "a");
  EXPECT_EQ(read_file(in_target("b/c")), "c");
  std::filesystem::remove_all(target());
  run({}, "a/b/c");
  EXPECT_EQ(read_file(in_target("c")), "c");
}

TEST_F(Restores, PlantedLinksLeadNowhere) {
  std::filesystem::create_directories(at("d/e"));
  write_file(at("d/e/f"), "from the snapshot");
  write_file(at("g"), "from the snapshot");
  back_up();
  const std::string outside = files_ / "outside";
  std::filesystem::create_directories(outside + "/e");
  write_file(outside + "/e/f", "precious");
  write_file(outside + "/g", "precious");
  std::filesystem::create_directory(target());
  std::filesystem::create_directory_symlink(outside, in_target("d"));
  std::filesystem::create_symlink(outside + "/g", in_target("g"));
  EXPECT_EQ(run({.in_place = true}).failures.count, 0U);
  EXPECT_EQ(read_file(outside + "/e/f"), "precious");
  EXPECT_EQ(read_file(outside + "/g"), "precious");
  EXPECT_EQ(target_differences(), "");
}

TEST_F(Restores, LinksThatAppearMeanwhileLeadNowhere) {
  for (int i = 0; i < 30; ++i) {
    std::filesystem::create_directory(at("d" + std::to_string(i)));
    for (int j = 0; j < 20; ++j)
      write_file(at("d" + std::to_string(i) + "/f" + std::to_string(j)), "from the snapshot");
  }
  back_up();
  const std::string outside = files_ / "outside";
  std::filesystem::create_directory(outside);
  std::filesystem::create_directory(target());
  std::atomic<bool> done = false;
  std::jthread vandal{[&] {
    for (int round = 0; !done; ++round) {
      const std::string name = in_target("d" + std::to_string(round % 30));
      if (::rename(name.c_str(), (name + ".away" + std::to_string(round)).c_str()) == 0 ||
          errno == ENOENT) {
        if (::symlink(outside.c_str(), name.c_str()) == 0) ::unlink(name.c_str());
      }
    }
  }};
  for (int round = 0; round < 5; ++round) run({.in_place = true});
  done = true;
  vandal.join();
  EXPECT_TRUE(std::filesystem::is_empty(outside));
}

// After it was looked at, or before it is made: whoever may write to the target puts a link there.
TEST_F(Restores, ALinkThatTakesAPlaceJustBeforeItIsOpenedLeadsNowhere) {
  const std::string x = at("x");
  const auto make_file = [&] { write_file(x, "from the snapshot"); };
  const auto make_directory = [&] {
    std::filesystem::create_directory(x);
    write_file(x + "/f", "from the snapshot");
  };
  const auto make_fifo = [&] { ASSERT_EQ(::mkfifo(x.c_str(), 0644), 0); };
  struct Case {
    const char* what;
    std::function<void()> make;
    bool is_there = false;  // restored before
  };
  for (const Case& each :
       {Case{"new file", make_file}, Case{"file that is kept", make_file, true},
        Case{"new directory", make_directory}, Case{"directory that is kept", make_directory, true},
        Case{"new fifo", make_fifo}, Case{"fifo that is kept", make_fifo, true}}) {
    SCOPED_TRACE(each.what);
    for (const std::string& path : {root(), target(), files_ / "outside"})
      std::filesystem::remove_all(path);
    std::filesystem::create_directory(root());
    each.make();
    ASSERT_EQ(::chmod(x.c_str(), 0711), 0);
    back_up();
    if (each.is_there) run();
    std::filesystem::create_directories(target());
    // Of the same kind, so that only the way there tells them apart.
    const std::string outside = files_ / "outside";
    std::filesystem::create_directory(outside);
    std::filesystem::rename(x, outside + "/x");
    ASSERT_EQ(::chmod((outside + "/x").c_str(), 0755), 0);
    const auto before = testing::describe_tree(outside);
    before_openat_of_x = [&] {
      std::filesystem::remove_all(in_target("x"));
      std::filesystem::create_symlink(outside + "/x", in_target("x"));
    };
    const RestoreResult result = run({.in_place = true});
    EXPECT_FALSE(before_openat_of_x) << "it was not opened";
    EXPECT_EQ(result.failures.count, 1U);
    EXPECT_EQ(testing::differences(before, testing::describe_tree(outside)), "");
  }
}

TEST_F(Restores, ADirectoryInTheWayOfAFileIsNotEmptied) {
  write_file(at("a"), "a");
  write_file(at("b"), "b");
  back_up();
  std::filesystem::create_directories(in_target("a"));
  write_file(in_target("a/precious"), "p");
  std::filesystem::create_directories(in_target("b"));
  const auto result = run({.in_place = true});
  EXPECT_EQ(result.failures.count, 1U);
  EXPECT_EQ(read_file(in_target("a/precious")), "p");
  EXPECT_EQ(read_file(in_target("b")), "b") << "an empty one makes way";
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{target()}, {}), 2)
      << "no temporary file is left";
}

class Removals : public Restores {
 protected:
  static RestoreOptions in_place(bool dry_run = false) {
    RestoreOptions options;
    options.in_place = true;
    options.remove_others = true;
    options.dry_run = dry_run;
    return options;
  }
  /// Strangers of many kinds in a target that is as the snapshot else.
  void put_strangers() const {
    write_file(in_target("a stranger"), "s");
    std::filesystem::create_directories(in_target("strange/deep/down"));
    write_file(in_target("strange/deep/down/file"), "f");
    std::filesystem::create_directory_symlink(outside(), in_target("strange/link"));
    std::filesystem::create_directory_symlink(outside(), in_target("zlink"));
  }
  std::string outside() const { return files_ / "outside"; }
};

TEST_F(Removals, LeaveWhatTheSnapshotHasAndNothingElse) {
  testing::make_nasty_tree(root(), 10, 50, 1 << 20);
  back_up();
  run();
  std::filesystem::create_directory(outside());
  write_file(outside() + "/precious", "p");
  put_strangers();
  std::string deep = in_target("chain");
  std::filesystem::create_directory(deep);
  for (int i = 0; i < 150; ++i) std::filesystem::create_directory(deep += "/d");
  write_file(deep + "/file", "at the bottom");
  const RestoreResult result = run(in_place());
  EXPECT_EQ(result.failures.count, 0U);
  EXPECT_EQ(result.removed, 7U + 152U);
  EXPECT_EQ(read_file(outside() + "/precious"), "p");
  EXPECT_EQ(target_differences(), "");
  EXPECT_EQ(run(in_place()).removed, 0U);
}

TEST_F(Removals, OfADryRunAreToldAndNotDone) {
  write_file(at("a"), "a");
  back_up();
  run();
  std::filesystem::create_directory(outside());
  put_strangers();
  const auto before = testing::describe_tree(target());
  std::set<std::string> removed;
  NoProgress progress;
  RestoreOptions options = in_place(true);
  options.target = target();
  run_restore(repository_->reader(), latest(*repository_).root, options, progress,
              [&](RestoreAction action, const std::string& path, const Entry&) {
                if (action == RestoreAction::remove) removed.insert(path);
              });
  EXPECT_EQ(removed,
            (std::set<std::string>{"a stranger", "strange", "strange/deep", "strange/deep/down",
                                   "strange/deep/down/file", "strange/link", "zlink"}));
  EXPECT_EQ(testing::describe_tree(target()), before);
}

TEST_F(Removals, EmptyADirectoryThatIsInTheWayOfAFile) {
  write_file(at("a"), "a file");
  back_up();
  std::filesystem::create_directories(in_target("a/b"));
  write_file(in_target("a/b/c"), "c");
  EXPECT_EQ(run(in_place()).failures.count, 0U);
  EXPECT_EQ(target_differences(), "");
}

TEST_F(Removals, KeepWhatIsInADirectoryOfWhichTheTreeCannotBeRead) {
  std::filesystem::create_directory(at("d"));
  write_file(at("d/x"), "x");
  back_up();
  run();
  write_file(in_target("d/mine"), "m");
  RestoreOptions options = in_place();
  options.target = target();
  const RestoreResult result = restore(*repository_, root_without_tree_of_d({}), options);
  EXPECT_GE(result.failures.corrupt, 1U);
  EXPECT_EQ(result.removed, 0U);
  EXPECT_EQ(read_file(in_target("d/x")), "x");
  EXPECT_EQ(read_file(in_target("d/mine")), "m");
}

TEST_F(Removals, KeepTheTargetsOwnLostAndFound) {
  write_file(at("a"), "a");
  back_up();
  std::filesystem::create_directories(in_target("lost+found"));
  EXPECT_EQ(run(in_place()).removed, 0U);
  EXPECT_TRUE(std::filesystem::exists(in_target("lost+found")));
}

TEST_F(Removals, LeaveWhatIsMountedInTheTarget) {
  if (!testing::is_root()) GTEST_SKIP() << "needs to mount";
  std::filesystem::create_directory(at("d"));
  back_up();
  for (const char* name : {"d", "stranger/inside"}) {
    std::filesystem::create_directories(in_target(name));
    // Of the same file system: the device number does not tell.
    std::filesystem::create_directories(outside());
    if (::mount(outside().c_str(), in_target(name).c_str(), nullptr, MS_BIND, nullptr) != 0)
      GTEST_SKIP() << "needs to mount";
  }
  write_file(outside() + "/precious", "p");
  const RestoreResult result = run(in_place());
  for (const char* name : {"d", "stranger/inside"}) ::umount(in_target(name).c_str());
  EXPECT_EQ(read_file(outside() + "/precious"), "p");
  EXPECT_EQ(result.failures.count, 2U) << "it was not said";
}

TEST_F(Removals, ALinkThatTakesADirectorysPlaceLeadsNowhere) {
  back_up();
  std::filesystem::create_directories(outside());
  write_file(outside() + "/precious", "p");
  for (const char* inside : {"x", "y/x"}) {
    std::filesystem::create_directories(in_target(inside));
    write_file(in_target(inside) + "/file", "f");
    // After it was seen to be a directory, before it is opened.
    before_openat_of_x = [&] {
      std::filesystem::rename(in_target(inside), files_ / "away");
      std::filesystem::create_directory_symlink(outside(), in_target(inside));
    };
    const RestoreResult result = run(in_place());
    EXPECT_EQ(before_openat_of_x, nullptr) << "it was not opened";
    EXPECT_GE(result.failures.count, 1U);
    EXPECT_EQ(read_file(outside() + "/precious"), "p");
    EXPECT_EQ(run(in_place()).failures.count, 0U);
    EXPECT_EQ(read_file(outside() + "/precious"), "p");
    EXPECT_TRUE(std::filesystem::is_empty(target()));
    std::filesystem::remove_all(files_ / "away");
  }
}

TEST_F(Removals, AreRefusedWhereTheyWouldTakeTooMuch) {
  write_file(at("a"), "a");
  back_up();
  run();
  write_file(in_target("mine"), "m");
  RestoreOptions patterns = in_place();
  patterns.include.add("*.txt");
  RestoreOptions not_in_place = in_place();
  not_in_place.in_place = false;
  EXPECT_THROW(run(std::move(patterns)), Error);
  EXPECT_THROW(run(std::move(not_in_place)), Error);
  EXPECT_THROW(run(in_place(), "a"), Error);
  EXPECT_EQ(read_file(in_target("mine")), "m");
}

TEST_F(Restores, ADamagedFileIsNamedAndTheRestIsRestored) {
  // Of 300 000 random bytes at least one chunk is a block by itself, wherever they are cut.
  for (int i = 0; i < 20; ++i) {
    const Bytes bytes = testing::random_bytes(static_cast<std::uint64_t>(i), 300'000);
    write_file(at("f" + std::to_string(i)), text_of(bytes));
  }
  back_up();
  const auto victim = find_path(repository_->reader(), latest(*repository_).root, "f7");
  std::optional<ChunkPlace> alone;
  for (const auto& extent : victim->extents()) {
    const auto place = repository_->index().find(ChunkId::from_bytes(extent.chunk())).front();
    if (place.block->chunks.size() == 1) alone = place;
  }
  ASSERT_TRUE(alone);
  const ChunkPlace& place = *alone;
  const auto name = format::pack_name(place.pack);
  Bytes pack = *test_.store().find(name)->bytes;
  pack[place.block->offset + place.block->stored_bytes / 2] ^= std::byte{1};
  test_.store().overwrite(name, std::move(pack));
  repository_ = test_.open(TestRepository::full_key(), "another");
  testing::RecordedProgress progress;
  const auto result =
      run_restore(repository_->reader(), latest(*repository_).root, {.target = target()}, progress);
  EXPECT_EQ(progress.failures, (std::map<std::string, FailureKind>{{"f7", FailureKind::corrupt}}));
  EXPECT_EQ(result.failures.corrupt, 1U);
  EXPECT_NE(result.failures.first[0].reason.find(place.pack.hex()), std::string::npos)
      << result.failures.first[0].reason;
  EXPECT_FALSE(std::filesystem::exists(in_target("f7")));
  EXPECT_EQ(result.files, 19U);
}

TEST_F(Restores, ADirectoryThatCannotBeReadIsNamedAndTheRestIsRestored) {
  std::filesystem::create_directory(at("d"));
  write_file(at("d/x"), "x");
  write_file(at("e"), "e");
  back_up();
  testing::RecordedProgress progress;
  run_restore(repository_->reader(), root_without_tree_of_d({"e"}), {.target = target()}, progress);
  EXPECT_EQ(progress.failures, (std::map<std::string, FailureKind>{{"d", FailureKind::corrupt}}));
  EXPECT_EQ(read_file(in_target("e")), "e");
}

TEST_F(Restores, LinksThatAreNotTheSameFileAreNotMadeOne) {
  write_file(at("a"), "content of a");
  write_file(at("b"), "another content");
  back_up();
  // Numbers of link groups are hashes: here two collide.
  const Entry old = latest(*repository_).root;
  Session session{*repository_,
                  {.host = "host", .source = "colliding", .checkpoint_interval_s = 0}};
  DirectoryBuilder builder{session, repository_->keyring().split_key()};
  for (const char* name : {"a", "b"}) {
    Entry entry = find_path(repository_->reader(), old, name).value();
    entry.set_link_group(7);
    entry.set_link_count(2);
    builder.add(entry);
  }
  Entry root = old;
  root.set_subtree(builder.finish()->raw());
  session.checkpoint();
  restore(*repository_, root, {.target = target()});
  EXPECT_EQ(read_file(in_target("a")), "content of a");
  EXPECT_EQ(read_file(in_target("b")), "another content");
}

TEST_F(Restores, AnOrdinaryUserRestoresWhatHeMay) {
  if (!testing::is_root()) GTEST_SKIP() << "needs files of others";
  testing::make_nasty_tree(root(), 5, 20, 1 << 20);
  back_up();
  std::filesystem::create_directory(target());
  ASSERT_EQ(::chmod(files_.path().c_str(), 0755), 0);
  RestoreResult result;
  {
    // Another thread may open the client's database once more.
    ASSERT_EQ(::chmod(test_.directory().c_str(), 0755), 0);
    const testing::AsOrdinaryUser user{{target(), test_.directory() + "/client"}};
    result = run();
  }
  EXPECT_EQ(result.failures.count, 0U)
      << (result.failures.count > 0
              ? result.failures.first[0].path + result.failures.first[0].reason
              : "");
  std::set<std::string> limits;
  for (const RestoreLimit& limit : result.limits) limits.insert(limit.what);
  EXPECT_TRUE(limits.contains("owners"));
  EXPECT_TRUE(limits.contains("devices"));
  EXPECT_TRUE(limits.contains("file capabilities"));
  EXPECT_EQ(stat_of_path(in_target("set-id")).st_mode & 07777U, 0755U)
      << "no rights of another owner";
  EXPECT_EQ(stat_of_path(in_target("closed")).st_mode & 07777U, 0555U);
  EXPECT_EQ(read_file(in_target("closed/in")), "x");
}

TEST_F(Restores, InheritedAclsOfTheTargetDoNotStick) {
  write_file(at("a"), "a");
  std::filesystem::create_directory(at("d"));
  back_up();
  std::filesystem::create_directory(target());
  testing::set_xattr(
      target(), "system.posix_acl_default",
      std::string_view{"\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\xe8\3\0\0\4\0\5\0\xff\xff\xff\xff"
                       "\x10\0\7\0\xff\xff\xff\xff\x20\0\5\0\xff\xff\xff\xff",
                       44});
  run();
  EXPECT_EQ(target_differences(), "");
}

TEST_F(Restores, AreStoppedCleanly) {
  testing::make_plain_tree(root(), 9, 200);
  back_up();
  std::stop_source source;
  source.request_stop();
  try {
    run({.stop = source.get_token()});
    FAIL() << "it was not stopped";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted);
  }
}

TEST_F(Restores, AStoreThatIsAwayIsNotTheFilesFault) {
  testing::make_plain_tree(root(), 10, 50);
  back_up();
  repository_ = test_.open(TestRepository::full_key(), "another");
  const Entry entry = latest(*repository_).root;
  test_.faulty().order(
      {.call = testing::Call::read, .times = 1'000'000, .code = ErrorCode::unavailable});
  try {
    restore(*repository_, entry, {.target = target()});
    FAIL() << "it did not fail";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::unavailable) << error.what();
  }
}

TEST_F(Restores, ExtractGivesHolesAsZeros) {
  write_file(at("a"), "begin");
  ASSERT_EQ(::truncate(at("a").c_str(), 3'000'000), 0);
  back_up();
  std::string content;
  extract_file(repository_->reader(),
               find_path(repository_->reader(), latest(*repository_).root, "a").value(),
               [&](ByteView bytes) { content += text_of(bytes); });
  EXPECT_EQ(content, read_file(at("a")));
}

}  // namespace
}  // namespace vgerfs::repo
