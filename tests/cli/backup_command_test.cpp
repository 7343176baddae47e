// backup as a user calls it: which source gets which name, and what is said about it.
#include <fcntl.h>

#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class Backup : public ::testing::Test {
 protected:
  void SetUp() override {
    TestIo surroundings;
    const RunResult made =
        run({"-r", repository_, "init", "--new-key-file", directory_ / "key"}, surroundings);
    ASSERT_EQ(made.status, 0) << made.err;
    directory_.write("src/a", "alpha");
    directory_.write("src/b/c.tmp", "temporary");
    directory_.write("other/o", "omicron");
  }

  RunResult admin(std::vector<std::string> arguments, int in = -1) {
    TestIo surroundings;
    if (in >= 0) surroundings.io.in = in;
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    surroundings.environment["VGERFS_KEY_FILE"] = directory_ / "key";
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
    if (std::filesystem::exists(directory_ / "config.yaml")) {
      surroundings.environment["VGERFS_CONFIG"] = directory_ / "config.yaml";
    }
    arguments.insert(arguments.begin(), {"--host", "here"});
    return run(arguments, surroundings);
  }
  std::string names_in(const std::string& snapshot) { return admin({"ls", "-R", snapshot}).out; }

  TemporaryDirectory directory_;
  std::string repository_ = directory_ / "repository";
  std::string source_ = directory_ / "src";
};

TEST_F(Backup, TellsTheSnapshotAndThenThatNothingChanged) {
  const RunResult first = admin({"backup", "--source", "s", source_, "--json"});
  ASSERT_EQ(first.status, 0) << first.err;
  EXPECT_EQ(first.json().at("unchanged"), false);
  EXPECT_EQ(first.json().at("statistics").at("files"), 2);
  const RunResult second = admin({"backup", "--source", "s", source_, "--json"});
  EXPECT_EQ(second.json().at("unchanged"), true);
  EXPECT_EQ(second.json().at("snapshot"), first.json().at("snapshot"));
  EXPECT_EQ(second.json().at("id"), first.json().at("id"));
  const RunResult forced =
      admin({"backup", "--source", "s", source_, "--json", "--force-snapshot"});
  EXPECT_EQ(forced.json().at("unchanged"), false);
  EXPECT_NE(forced.json().at("snapshot"), first.json().at("snapshot"));
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(2));
}

TEST_F(Backup, WhatIsUnchangedIsNotCalledChangedBecauseItWasReadAgain) {
  EXPECT_THAT(admin({"backup", "--source", "s", source_}).out,
              HasSubstr("2 files: 2 new, 0 changed, 0 unchanged"));
  const RunResult again = admin({"backup", "--source", "s", "--read-all", source_});
  EXPECT_THAT(again.out, HasSubstr("here/s: unchanged since snapshot"));
  EXPECT_THAT(again.out, HasSubstr("2 files, 2 of them read again"));
}

TEST_F(Backup, ADryRunWritesNothing) {
  const RunResult result = admin({"backup", "--dry-run", "--source", "s", source_, "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_TRUE(result.json().at("snapshot").is_null());
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(0));
}

TEST_F(Backup, NeedsANameForItsSource) {
  EXPECT_EQ(admin({"backup", source_}).status, 2);
  EXPECT_EQ(admin({"backup"}).status, 2);
  EXPECT_EQ(admin({"backup", "--source", "s"}).status, 2);
  EXPECT_EQ(admin({"backup", "--source", ".s", source_}).status, 2);
  EXPECT_EQ(admin({"backup", "--stdin"}).status, 2);
  EXPECT_EQ(admin({"backup", "--stdin", "--source", "s", source_}).status, 2);
}

TEST_F(Backup, ExcludesComeFromTheCommandLineAndFromFiles) {
  const std::string patterns = directory_.write("patterns", "# comment\na\n");
  ASSERT_EQ(
      admin({"backup", "--source", "s", source_, "-e", "*.tmp", "--exclude-from", patterns}).status,
      0);
  EXPECT_EQ(names_in("latest:s"), "b\n");
}

TEST_F(Backup, WhatTagRefusesIsNoTagHereEither) {
  for (const std::string tag : {"a,b", "a\nb", "", "\xff"}) {
    EXPECT_EQ(admin({"backup", "--source", "s", "--tag", tag, source_}).status, 2) << tag;
  }
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(0));
}

TEST_F(Backup, WithoutPathsAllSourcesOfTheConfigurationAreBackedUp) {
  directory_.write("config.yaml",
                   "exclude_patterns: ['*.tmp']\nsources:\n  - {label: one, path: src, tags: "
                   "[x]}\n  - {label: two, path: other}\n");
  const RunResult result = admin({"backup", "--json", "--tag", "y"});
  ASSERT_EQ(result.status, 0) << result.err;
  ASSERT_THAT(result.json(), SizeIs(2));
  EXPECT_EQ(result.json()[0].at("source"), "one");
  EXPECT_THAT(result.json()[0].at("tags"), ElementsAre("x", "y"));
  EXPECT_EQ(names_in("latest:one"), "a\nb\n");
  EXPECT_EQ(names_in("latest:two"), "o\n");
}

TEST_F(Backup, ASourceOfTheConfigurationIsFoundByItsNameOrItsPath) {
  directory_.write("config.yaml", "sources:\n  - {label: one, path: src}\n");
  EXPECT_EQ(admin({"backup", "--source", "one", "--json"}).json().at("source"), "one");
  EXPECT_EQ(admin({"backup", source_ + "/", "--json"}).json().at("source"), "one");
  EXPECT_EQ(admin({"backup", directory_ / "other"}).status, 2);
}

TEST_F(Backup, OneSourceThatFailsDoesNotStopTheOthers) {
  directory_.write("config.yaml",
                   "sources:\n  - {label: gone, path: nowhere}\n  - {label: two, path: other}\n");
  const RunResult result = admin({"backup", "--json"});
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(result.json()[0].at("error").at("code"), "not_found");
  EXPECT_TRUE(result.json()[1].at("snapshot").is_string());
  EXPECT_THAT(result.err, HasSubstr("source gone"));
}

TEST_F(Backup, ASourceThatCannotBeReadIsNoFailureOfTheStore) {
  // A circle of links stands for a dead mount: neither is "not found" nor "denied".
  std::filesystem::create_symlink("loop", directory_ / "loop");
  directory_.write("config.yaml",
                   "sources:\n  - {label: dead, path: loop/in}\n  - {label: two, path: other}\n");
  const RunResult result = admin({"backup", "--json"});
  EXPECT_EQ(result.status, 1);
  EXPECT_TRUE(result.json()[1].at("snapshot").is_string()) << result.err;
}

TEST_F(Backup, AMissingPathAmongOthersIsReportedWithExitCode3) {
  const RunResult result =
      admin({"backup", "--source", "s", source_, directory_ / "nowhere", "--json"});
  EXPECT_EQ(result.status, 3) << result.err;
  EXPECT_EQ(result.json().at("failed"), 1);
  EXPECT_THAT(result.json().at("failures")[0].at("path").get<std::string>(), HasSubstr("nowhere"));
  EXPECT_THAT(result.err, HasSubstr("nowhere"));
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(1));
}

TEST_F(Backup, StandardInputBecomesAFile) {
  const Fd in = open_file(directory_.write("input", "from a pipe"), O_RDONLY);
  const RunResult result =
      admin({"backup", "--stdin", "--stdin-name", "dump.sql", "--source", "db"}, in.get());
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(admin({"dump", "latest:db:dump.sql"}).out, "from a pipe");
}

TEST_F(Backup, AStopLeavesNoSnapshotAndItsExitCode) {
  TestIo surroundings;
  std::stop_source stop;
  stop.request_stop();
  surroundings.io.stop = stop.get_token();
  surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
  surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
  const RunResult result =
      run({"-r", repository_, "--key-file", directory_ / "key", "backup", "--source", "s", source_},
          surroundings);
  EXPECT_EQ(result.status, 130);
  EXPECT_THAT(admin({"list", "--json"}).json(), SizeIs(0));
}

TEST_F(Backup, CheckPassesAfterwardsAndNamesDamage) {
  ASSERT_EQ(admin({"backup", "--source", "s", source_}).status, 0);
  const RunResult sound = admin({"check", "--read-data", "--json"});
  EXPECT_EQ(sound.status, 0) << sound.err;
  EXPECT_EQ(sound.json().at("ok"), true);
  EXPECT_GT(sound.json().at("read_bytes"), 0);
  std::string damaged;
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
    if (pack.is_regular_file()) damaged = pack.path();
  }
  std::filesystem::remove(damaged);
  const RunResult broken = admin({"check", "--json"});
  EXPECT_EQ(broken.status, 14);
  EXPECT_EQ(broken.json().at("ok"), false);
  EXPECT_THAT(broken.out, HasSubstr(std::filesystem::path{damaged}.filename().string()));
  EXPECT_THAT(admin({"check"}).err, HasSubstr("the repository is damaged"));
}

}  // namespace
}  // namespace vgerfs::cli
