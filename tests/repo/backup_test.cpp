#include "repo/backup.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <thread>

#include <gtest/gtest.h>

#include "backup_run.h"
#include "file_tree.h"
#include "repo/maintenance/compact.h"
#include "repo/maintenance/removal.h"
#include "repo/source_memory.h"
#include "repo/tree_walk.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;
using testing::backup;
using testing::backup_options;
using testing::latest;
using testing::TestRepository;
using testing::write_file;

std::set<std::string> paths_of(Repository& repository) {
  std::set<std::string> paths;
  for_each_entry(repository.reader(), latest(repository).root, "",
                 [&](const std::string& path, const Entry&) {
                   paths.insert(path);
                   return WalkStep::go_on;
                 });
  return paths;
}

class Backups : public ::testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directory(root()); }
  std::string root() const { return files_ / "root"; }
  std::string at(const std::string& name) const { return root() + "/" + name; }
  std::unique_ptr<Repository> open(const std::string& client = "client") {
    return test_.open(TestRepository::full_key(), client);
  }
  /// Restores the newest snapshot beside the files and compares.
  std::string restored_differences(Repository& repository) {
    const std::string target = files_ / ("restored" + std::to_string(++restores_));
    const auto result = testing::restore(repository, latest(repository).root, {.target = target});
    EXPECT_EQ(result.failures.count, 0U) << result.failures.first.front().reason;
    return testing::differences(testing::describe_tree(root()), testing::describe_tree(target));
  }

  TestRepository test_;
  const testing::TemporaryDirectory files_;
  int restores_ = 0;
};

TEST_F(Backups, OfNastyFilesRestoreToTheSame) {
  testing::make_nasty_tree(root(), testing::test_size(250, 80), testing::test_size(3000, 200),
                           testing::test_size(std::uint64_t{3} << 30, std::uint64_t{64} << 20));
  const auto repository = open();
  const auto result = backup(*repository, backup_options({root()}));
  EXPECT_EQ(result.failures.count, 0U);
  EXPECT_FALSE(result.unchanged);
  EXPECT_LT(result.statistics.added_bytes(), 3'000'000U);
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, OfAnUnchangedTreeMakeNoSnapshotAndNoObject) {
  testing::make_plain_tree(root(), 1, 300);
  const auto repository = open();
  const auto first = backup(*repository, backup_options({root()}));
  const auto objects = test_.store().names();
  test_.faulty().clear();
  const auto second = backup(*repository, backup_options({root()}));
  EXPECT_TRUE(second.unchanged);
  EXPECT_EQ(second.snapshot, first.snapshot);
  EXPECT_EQ(second.time_name, first.time_name);
  EXPECT_EQ(second.statistics.files_unchanged(), 300U);
  EXPECT_EQ(second.statistics.files_new(), 0U);
  EXPECT_EQ(test_.store().names(), objects);
}

TEST_F(Backups, ReadNothingThatDidNotChange) {
  write_file(at("a"), "content");
  const auto repository = open();
  backup(*repository, backup_options({root()}));
  write_file(at("b"), "another");
  testing::RecordedProgress progress;
  const auto result = run_backup(*repository, backup_options({root()}), progress);
  EXPECT_EQ(result.statistics.files_unchanged(), 1U);
  EXPECT_EQ(result.statistics.files_new(), 1U);
  EXPECT_EQ(progress.last.bytes, 7U + 7U);
  EXPECT_EQ(progress.last.total_bytes, 7U);
}

TEST_F(Backups, StoreAboutWhatChanged) {
  testing::make_plain_tree(root(), 2, 400);
  const auto repository = open();
  const auto first = backup(*repository, backup_options({root()}));
  write_file(at("new"), std::string(10'000, 'n'));
  std::filesystem::remove(at("f0"));
  for (const char* name : {"f1", "f2", "f3"}) {
    for (const auto& each : std::filesystem::recursive_directory_iterator{root()}) {
      if (each.path().filename() == name)
        write_file(each.path(), testing::read_file(each.path()) + "more");
    }
  }
  const auto second = backup(*repository, backup_options({root()}));
  EXPECT_FALSE(second.unchanged);
  EXPECT_EQ(second.statistics.files_changed(), 3U);
  EXPECT_EQ(second.statistics.files_new(), 1U);
  EXPECT_LT(second.statistics.added_bytes(), first.statistics.added_bytes() / 5);
  EXPECT_EQ(latest(*repository).parent, first.snapshot);
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, AFileThatMayStillChangeIsReadAgain) {
  write_file(at("a"), "content");
  const auto repository = open();
  auto options = backup_options({root()});
  options.file_clock = [] { return Timestamp{}; };
  backup(*repository, options);
  EXPECT_EQ(backup(*repository, options).statistics.files_unchanged(), 0U);
  // Once it is old enough it gets its fingerprint, though there is no new snapshot.
  options.file_clock = backup_options({}).file_clock;
  const auto settled = backup(*repository, options);
  EXPECT_TRUE(settled.unchanged);
  EXPECT_EQ(settled.statistics.files_unchanged(), 0U);
  EXPECT_EQ(backup(*repository, options).statistics.files_unchanged(), 1U);
}

TEST_F(Backups, AFileWrittenTheMomentBeforeIsNotReadAgain) {
  if (::access("/dev/shm", W_OK) != 0) GTEST_SKIP() << "no tmpfs at /dev/shm";
  std::string directory = "/dev/shm/vgerfs-test-XXXXXX";
  ASSERT_NE(::mkdtemp(directory.data()), nullptr);
  write_file(directory + "/fresh", "content");
  const Timestamp written = file_clock();
  while (file_clock() <= written) std::this_thread::yield();  // one tick
  const auto repository = open();
  auto options = backup_options({directory});
  options.file_clock = file_clock;
  backup(*repository, options);
  EXPECT_EQ(backup(*repository, options).statistics.files_unchanged(), 1U);
  write_file(directory + "/fresh", "CONTENT");
  EXPECT_EQ(backup(*repository, options).statistics.files_changed(), 1U);
  std::filesystem::remove_all(directory);
}

TEST_F(Backups, ChangedAttributesAloneMakeASnapshot) {
  write_file(at("a"), "content");
  const auto repository = open();
  backup(*repository, backup_options({root()}));
  ASSERT_EQ(::chmod(at("a").c_str(), 0640), 0);
  EXPECT_FALSE(backup(*repository, backup_options({root()})).unchanged);
  testing::set_xattr(at("a"), "user.x", "y");
  EXPECT_FALSE(backup(*repository, backup_options({root()})).unchanged);
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, AreMadeWhenForcedOrADayOld) {
  write_file(at("a"), "content");
  const auto repository = open();
  const auto first = backup(*repository, backup_options({root()}));
  auto options = backup_options({root()});
  options.force_snapshot = true;
  const auto second = backup(*repository, options);
  EXPECT_FALSE(second.unchanged);
  EXPECT_NE(second.snapshot, first.snapshot);
}

TEST_F(Backups, ADryRunWritesNothingAndKnowsWhatWouldBe) {
  testing::make_plain_tree(root(), 3, 50);
  const auto repository = open();
  const auto objects = test_.store().names();
  auto options = backup_options({root()});
  options.dry_run = true;
  const auto dry = backup(*repository, options);
  EXPECT_FALSE(dry.snapshot);
  EXPECT_EQ(test_.store().names(), objects);
  const auto wet = backup(*repository, backup_options({root()}));
  EXPECT_EQ(dry.statistics.added_bytes(), wet.statistics.added_bytes());
  EXPECT_TRUE(backup(*repository, options).unchanged);
}

TEST_F(Backups, OfSeveralPathsKeepTheirNamesAndNothingElse) {
  for (const char* name : {"x", "x/keep", "x/other", "y", "z"})
    std::filesystem::create_directory(at(name));
  write_file(at("x/keep/a"), "a");
  write_file(at("x/other/b"), "b");
  write_file(at("y/c"), "c");
  const auto repository = open();
  const auto options = backup_options({at("x/keep"), at("y/c")});
  backup(*repository, options);
  const std::string base = root().substr(1);
  std::set<std::string> expected;
  for (std::size_t slash = base.find('/'); slash != base.npos; slash = base.find('/', slash + 1))
    expected.insert(base.substr(0, slash));
  for (const char* name : {"", "/x", "/x/keep", "/x/keep/a", "/y", "/y/c"})
    expected.insert(base + name);
  EXPECT_EQ(paths_of(*repository), expected);
  // What happens beside them is not theirs.
  write_file(at("z/new"), "z");
  write_file(files_ / "beside", "z");
  EXPECT_TRUE(backup(*repository, options).unchanged);
}

TEST_F(Backups, OverlappingPathsAreBackedUpOnce) {
  std::filesystem::create_directories(at("a/b"));
  write_file(at("a/b/c"), "c");
  write_file(at("a/d"), "d");
  const auto repository = open();
  auto options = backup_options({root(), at("a/b"), at("a/d")});
  options.excludes.add("b/");
  const auto result = backup(*repository, options);
  EXPECT_EQ(result.statistics.files(), 2U);
  EXPECT_TRUE(paths_of(*repository).contains(root().substr(1) + "/a/b/c"))
      << "given by itself, so not excluded";
}

TEST_F(Backups, AMissingPathIsAFailureAmongOthersAndAnErrorAlone) {
  write_file(at("a"), "a");
  const auto repository = open();
  const auto result = backup(*repository, backup_options({at("a"), at("gone")}));
  EXPECT_EQ(result.failures.count, 1U);
  EXPECT_EQ(result.statistics.files(), 1U);
  const std::size_t snapshots = test_.store().names(ObjectType::snapshot).size();
  EXPECT_THROW(backup(*repository, backup_options({at("gone")})), Error);
  EXPECT_EQ(test_.store().names(ObjectType::snapshot).size(), snapshots);
}

TEST_F(Backups, ALinkWithASlashIsFollowedAndOneWithoutIsALink) {
  std::filesystem::create_directory(at("real"));
  write_file(at("real/a"), "a");
  write_file(at("f"), "f");
  std::filesystem::create_directory_symlink("real", at("link"));
  const auto repository = open();
  backup(*repository, backup_options({at("link"), at("f")}));
  const std::string link = root().substr(1) + "/link";
  EXPECT_FALSE(paths_of(*repository).contains(link + "/a"));
  backup(*repository, backup_options({at("link/"), at("f")}));
  EXPECT_TRUE(paths_of(*repository).contains(link + "/a"));
  backup(*repository, backup_options({at("link")}));
  EXPECT_EQ(paths_of(*repository), (std::set<std::string>{"a"})) << "one directory, as rsync LINK/";
}

TEST_F(Backups, LeaveOutWhatIsExcluded) {
  std::filesystem::create_directories(at("cache/deep"));
  std::filesystem::create_directories(at("src"));
  for (const char* name :
       {"cache/x", "cache/deep/y", "src/a.o", "src/keep.o", "src/a.c", "tagged"}) {
    if (std::string{name} != "tagged") write_file(at(name), name);
  }
  std::filesystem::create_directory(at("tagged"));
  write_file(at("tagged/CACHEDIR.TAG"), "Signature: 8a477f597d28d172789f06886806bc55\n# more");
  write_file(at("tagged/data"), "x");
  std::filesystem::create_directory(at("false"));
  write_file(at("false/CACHEDIR.TAG"), "Signature: something else, and long enough to be one");
  const auto repository = open();
  auto options = backup_options({root()});
  options.excludes.add_lines("/cache/\n*.o\n!keep.o\n");
  options.exclude_caches = true;
  backup(*repository, options);
  EXPECT_EQ(paths_of(*repository),
            (std::set<std::string>{"false", "false/CACHEDIR.TAG", "src", "src/a.c", "src/keep.o",
                                   "tagged", "tagged/CACHEDIR.TAG"}));
}

TEST_F(Backups, StayOnOneFileSystemIfTold) {
  // The directory of /proc is another one, and never wanted.
  const auto repository = open();
  auto options = backup_options({"/"});
  options.one_file_system = true;
  options.excludes.add_lines("/*\n!/proc/\n");
  backup(*repository, options);
  EXPECT_EQ(paths_of(*repository), (std::set<std::string>{"proc"}));
  options.one_file_system = false;
  backup(*repository, options);
  EXPECT_EQ(paths_of(*repository), (std::set<std::string>{"proc"}));
}

TEST_F(Backups, FilesThatVanishOrChangeAreReportedAndTheRestIsThere) {
  for (int i = 0; i < 40; ++i)
    write_file(at("f" + std::to_string(100 + i)),
               std::string(3'000'000, static_cast<char>('a' + i % 26)));
  const auto repository = open();
  auto options = backup_options({root()});
  options.read_threads = 1;
  // The first file is long enough to be at work when the last one goes and another grows.
  write_file(at("a"), std::string(60'000'000, 'x'));
  std::atomic<bool> done = false;
  std::jthread vandal{[&] {
    std::filesystem::remove(at("f139"));
    while (!done) {
      const Fd fd = open_file(at("a"), O_WRONLY | O_APPEND);
      write_all(fd.get(), bytes_of("more"), "a");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }};
  testing::RecordedProgress progress;
  const auto result = run_backup(*repository, options, progress);
  done = true;
  EXPECT_EQ(progress.failures["a"], FailureKind::changed);
  const auto paths = paths_of(*repository);
  EXPECT_TRUE(paths.contains("a")) << "kept as read";
  EXPECT_TRUE(paths.contains("f138"));
  const auto entry = find_path(repository->reader(), latest(*repository).root, "a");
  EXPECT_GE(entry->size(), 60'000'000U);
  EXPECT_EQ(result.statistics.failed(), result.failures.count);
  // It has no fingerprint: the next backup reads it again.
  EXPECT_EQ(backup(*repository, options).statistics.files_changed(), 1U);
}

TEST_F(Backups, AFileWithoutRightsIsReportedAndADirectoryWithoutIsEmpty) {
  std::filesystem::create_directory(at("closed"));
  for (const char* name : {"secret", "open", "closed/in"}) write_file(at(name), name);
  ASSERT_EQ(::chmod(at("secret").c_str(), 0), 0);
  ASSERT_EQ(::chmod(at("closed").c_str(), 0), 0);
  testing::RecordedProgress progress;
  {
    const testing::AsOrdinaryUser user{{files_.path(), test_.directory()}};
    run_backup(*open(), backup_options({root()}), progress);
  }
  EXPECT_EQ(progress.failures,
            (std::map<std::string, FailureKind>{{"secret", FailureKind::unreadable},
                                                {"closed", FailureKind::unreadable}}));
  EXPECT_EQ(paths_of(*open()), (std::set<std::string>{"closed", "open"}));
}

TEST_F(Backups, OfAPipeAreOneFile) {
  int ends[2];
  ASSERT_EQ(::pipe(ends), 0);
  const std::string content(5'000'000, 'p');
  std::jthread writer{[&] {
    write_all(ends[1], bytes_of(content), "pipe");
    ::close(ends[1]);
  }};
  const auto repository = open();
  auto options = backup_options({});
  options.stream = StreamSource{ends[0], "dump.sql"};
  const auto result = backup(*repository, options);
  ::close(ends[0]);
  EXPECT_EQ(result.statistics.files(), 1U);
  const auto entry = find_path(repository->reader(), latest(*repository).root, "dump.sql");
  ASSERT_TRUE(entry);
  EXPECT_EQ(entry->size(), content.size());
}

TEST_F(Backups, AHardLinkIsReadOnce) {
  const std::string content(2'000'000, 'h');
  write_file(at("a"), content);
  for (int i = 0; i < 20; ++i)
    ASSERT_EQ(::link(at("a").c_str(), at("b" + std::to_string(i)).c_str()), 0);
  const auto repository = open();
  testing::RecordedProgress progress;
  const auto result = run_backup(*repository, backup_options({root()}), progress);
  EXPECT_EQ(result.statistics.files(), 21U);
  EXPECT_EQ(result.statistics.logical_bytes(), content.size());
  EXPECT_EQ(progress.last.bytes, content.size());
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, WithAnIngestKeyAreIncrementalThoughItCannotReadThem) {
  test_.add_ingest_slot("host");
  testing::make_nasty_tree(root(), 20, 300, 1 << 20);
  testing::make_plain_tree(root(), 5, 100);
  write_file(at("long"), std::string(30'000'000, 'l') + "end");
  BackupResult first;
  {
    const auto ingest = test_.open(TestRepository::ingest_key(), "ingest");
    first = backup(*ingest, backup_options({root()}));
    ASSERT_TRUE(first.snapshot);
    EXPECT_EQ(first.failures.count, 0U);
  }
  write_file(at("new"), "n");
  {
    const auto ingest = test_.open(TestRepository::ingest_key(), "ingest");
    const auto second = backup(*ingest, backup_options({root()}));
    EXPECT_FALSE(second.unchanged);
    EXPECT_EQ(second.statistics.files_new(), 1U);
    EXPECT_EQ(second.statistics.files_changed(), 0U);
    EXPECT_LT(second.statistics.added_bytes(), 100'000U);
    EXPECT_TRUE(backup(*ingest, backup_options({root()})).unchanged);
    EXPECT_THROW(
        ingest->reader().get(
            ChunkKind::tree,
            ChunkId::from_bytes(SourceMemory(*ingest, "host", "home").last()->root.subtree())),
        Error);
  }
  // Another client with the key, and none of the state: nothing is stored twice.
  {
    const auto other = test_.open(TestRepository::ingest_key(), "other");
    auto options = backup_options({root()});
    const auto third = backup(*other, options);
    EXPECT_EQ(third.statistics.files_unchanged(), 0U);
    EXPECT_EQ(third.statistics.added_bytes(), 0U);
  }
  const auto repository = open("reader");
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, AnIngestKeyWithoutItsTreesReadsEverythingAgain) {
  test_.add_ingest_slot("host");
  testing::make_plain_tree(root(), 6, 50);
  const auto ingest = test_.open(TestRepository::ingest_key(), "ingest");
  backup(*ingest, backup_options({root()}));
  std::filesystem::remove(ingest->source_directory("host", "home") + "/trees.sqlite");
  const auto again = test_.open(TestRepository::ingest_key(), "ingest");
  const auto result = backup(*again, backup_options({root()}));
  EXPECT_TRUE(result.unchanged) << "the tree is the same, however it was found";
  EXPECT_EQ(result.statistics.files_unchanged(), 0U);
  const auto third = test_.open(TestRepository::ingest_key(), "ingest");
  EXPECT_EQ(backup(*third, backup_options({root()})).statistics.files_unchanged(), 50U)
      << "its trees are there again";
}

TEST_F(Backups, AnInterruptedOneLeavesNoLeaseAndIsContinued) {
  testing::make_plain_tree(root(), 7, 200);
  write_file(at("zlong"), std::string(200'000'000, 'z'));
  const auto repository = open();
  std::stop_source source;
  auto options = backup_options({root()});
  options.stop = source.get_token();
  testing::RecordedProgress progress;
  progress.on_update = [&](std::string_view current) {
    if (current == "zlong") source.request_stop();
  };
  try {
    run_backup(*repository, options, progress);
    FAIL() << "it was not interrupted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::interrupted) << error.what();
  }
  EXPECT_EQ(test_.store().names(ObjectType::lock).size(), 0U);
  EXPECT_EQ(test_.store().names(ObjectType::snapshot).size(), 0U);
  const auto result = backup(*repository, backup_options({root()}));
  EXPECT_EQ(result.failures.count, 0U);
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, AStoreThatFailsEndsItWithItsError) {
  testing::make_plain_tree(root(), 8, 300);
  const auto repository = open();
  test_.faulty().order({.call = testing::Call::write,
                        .times = 1'000'000,
                        .code = ErrorCode::no_space,
                        .type = ObjectType::pack});
  try {
    backup(*repository, backup_options({root()}));
    FAIL() << "it did not fail";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::no_space) << error.what();
  }
  test_.faulty().clear();
  EXPECT_EQ(test_.store().names(ObjectType::snapshot).size(), 0U);
  EXPECT_EQ(backup(*repository, backup_options({root()})).failures.count, 0U);
  EXPECT_EQ(restored_differences(*repository), "");
}

TEST_F(Backups, OfOneSourceExcludeEachOther) {
  write_file(at("a"), "a");
  const auto repository = open();
  const auto lock = SourceLock::acquire(repository->source_directory("host", "home"), 0);
  try {
    backup(*repository, backup_options({root()}));
    FAIL() << "the lock was ignored";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::busy);
  }
}

/// A laptop that is closed in the middle of a backup, while elsewhere all that it rests on goes.
class SleepingBackup : public ::testing::Test {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(root_);
    testing::make_plain_tree(root_, 1, 30);
    client_ = test_.open(TestRepository::full_key(), "client");
    options_ = backup_options({root_});
    first_ = backup(*client_, options_).snapshot.value();
    write_file(root_ + "/new", "new");
  }

  /// Sleeps at the beginning of its first `times` walks.
  BackupResult run(int times) {
    testing::RecordedProgress progress;
    progress.on_update = [&](std::string_view current) {
      if (!current.empty() || slept_ == times) return;
      ++slept_;
      while_asleep();
    };
    return run_backup(*client_, options_, progress);
  }
  void while_asleep() {
    const auto maintainer = test_.open(TestRepository::full_key(), "maintainer");
    std::vector<SnapshotId> all;
    for (const auto list = maintainer->snapshots(); const auto& listed : list->snapshots)
      all.push_back(listed.snapshot->id);
    remove_snapshots(*maintainer, all);
    for (int i = 0; i < 3; ++i) {
      clock_.advance(std::chrono::hours{25});
      compact(*maintainer, {}, false, nullptr, {});
    }
    if (others_go_on_) backup(*maintainer, options_);
  }

  testing::ManualClock clock_;
  TestRepository test_{std::make_shared<testing::MemoryStore>(&clock_), clock_};
  const testing::TemporaryDirectory files_;
  const std::string root_ = files_ / "root";
  std::unique_ptr<Repository> client_;
  BackupOptions options_;
  SnapshotId first_;
  bool others_go_on_ = false;  // then there is something to rest on again
  int slept_ = 0;
};

TEST_F(SleepingBackup, IsMadeAgainWhenMaintenanceTookWhatItRestsOn) {
  const BackupResult result = run(1);
  EXPECT_EQ(slept_, 1);
  ASSERT_EQ(result.warnings.size(), 1U);
  EXPECT_NE(result.warnings.front().find("made twice"), std::string::npos);
  const auto reader = test_.open(TestRepository::full_key(), "reader");
  ASSERT_EQ(reader->snapshots()->snapshots.size(), 1U);
  const Snapshot& made = latest(*reader);
  EXPECT_EQ(made.id, result.snapshot);
  EXPECT_NE(made.id, first_);
  const std::string target = files_ / "restored";
  EXPECT_EQ(testing::restore(*reader, made.root, {.target = target}).failures.count, 0U);
  EXPECT_EQ(testing::differences(testing::describe_tree(root_), testing::describe_tree(target)),
            "");
}

TEST_F(SleepingBackup, IsNotMadeAgainForEver) {
  others_go_on_ = true;
  options_.force_snapshot = true;
  try {
    run(2);
    FAIL() << "it did not fail";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::busy) << error.what();
  }
  EXPECT_EQ(slept_, 2);
}

TEST_F(Backups, OfAHostThatTheKeyMayNotWriteForAreRefused) {
  test_.add_ingest_slot("another");
  const auto ingest = test_.open(TestRepository::ingest_key(), "ingest");
  try {
    backup(*ingest, backup_options({root()}));
    FAIL() << "it was not refused";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::denied);
  }
}

}  // namespace
}  // namespace vgerfs::repo
