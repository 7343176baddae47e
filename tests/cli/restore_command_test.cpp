// restore as a user calls it.
#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"
#include "support/read_text.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;
using vgerfs::testing::read_text;

class Restore : public ::testing::Test {
 protected:
  void SetUp() override {
    TestIo surroundings;
    ASSERT_EQ(
        run({"-r", repository_, "init", "--new-key-file", directory_ / "key"}, surroundings).status,
        0);
    directory_.write("src/a", "alpha");
    directory_.write("src/d/b", "beta");
    directory_.write("src/d/c.tmp", "temporary");
    ASSERT_EQ(admin({"backup", "--source", "s", directory_ / "src"}).status, 0);
  }
  RunResult admin(std::vector<std::string> arguments) {
    TestIo surroundings;
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    surroundings.environment["VGERFS_KEY_FILE"] = directory_ / "key";
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
    return run(arguments, surroundings);
  }
  /// Packs of file data, not of metadata: docs/FORMAT.md section 8.
  std::set<std::string> data_packs() const {
    std::set<std::string> packs;
    for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
      if (pack.is_regular_file() && read_text(pack.path()).at(10) == 1) packs.insert(pack.path());
    }
    return packs;
  }

  TemporaryDirectory directory_;
  std::string repository_ = directory_ / "repository";
  std::string target_ = directory_ / "target";
};

TEST_F(Restore, MakesTheTargetAndSaysWhatItDid) {
  const RunResult result = admin({"restore", "latest:s", target_, "--verify", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.json().at("files"), 3);
  EXPECT_EQ(result.json().at("bytes"), 18);
  EXPECT_EQ(result.json().at("verified"), true);
  EXPECT_EQ(result.json().at("failed"), 0);
  EXPECT_EQ(read_text(target_ + "/d/b"), "beta");
}

TEST_F(Restore, RefusesATargetThatIsNotEmptyUnlessInPlace) {
  directory_.write("target/a", "other");
  directory_.write("target/mine", "mine");
  EXPECT_EQ(admin({"restore", "latest:s", target_}).status, 1);
  EXPECT_EQ(read_text(target_ + "/a"), "other");
  EXPECT_THAT(admin({"restore", "latest:s", target_}).err, HasSubstr("--in-place"));
  EXPECT_EQ(admin({"restore", "latest:s", target_, "--in-place"}).status, 0);
  EXPECT_EQ(read_text(target_ + "/a"), "alpha");
  EXPECT_EQ(read_text(target_ + "/mine"), "mine");
  EXPECT_EQ(admin({"restore", "latest:s", target_, "--in-place", "--json"}).json().at("kept"), 4);
}

TEST_F(Restore, DeleteRemovesWhatTheSnapshotDoesNotHave) {
  directory_.write("target/mine", "mine");
  directory_.write("target/d/strange", "s");
  const RunResult told =
      admin({"restore", "latest:s", target_, "--in-place", "--delete", "--dry-run"});
  EXPECT_EQ(told.status, 0) << told.err;
  EXPECT_THAT(told.out, HasSubstr("remove  d/strange\n"));
  EXPECT_THAT(told.out, HasSubstr("2 removed"));
  EXPECT_EQ(read_text(target_ + "/mine"), "mine");
  const RunResult result =
      admin({"restore", "latest:s", target_, "--in-place", "--delete", "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_EQ(result.json().at("removed"), 2);
  EXPECT_FALSE(std::filesystem::exists(target_ + "/mine"));
  EXPECT_FALSE(std::filesystem::exists(target_ + "/d/strange"));
  EXPECT_EQ(read_text(target_ + "/a"), "alpha");
}

TEST_F(Restore, DeleteIsRefusedWhereItWouldTakeTooMuch) {
  directory_.write("target/mine", "mine");
  for (const std::vector<std::string>& more :
       std::vector<std::vector<std::string>>{{"latest:s"},
                                             {"latest:s", "--in-place", "--include", "*.tmp"},
                                             {"latest:s", "--in-place", "--exclude", "*.tmp"},
                                             {"latest:s:a", "--in-place"}}) {
    std::vector<std::string> arguments{"restore", "--delete", target_};
    arguments.insert(arguments.begin() + 1, more.begin(), more.end());
    EXPECT_EQ(admin(arguments).status, 2) << more.back();
  }
  EXPECT_EQ(read_text(target_ + "/mine"), "mine");
}

TEST_F(Restore, ADryRunTellsAndChangesNothing) {
  const RunResult result = admin({"restore", "--dry-run", "latest:s", target_});
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("create  d/b\n"));
  EXPECT_THAT(result.out, HasSubstr("would restore 3 files"));
  EXPECT_FALSE(std::filesystem::exists(target_));
}

TEST_F(Restore, TakesAPathOrPatterns) {
  ASSERT_EQ(admin({"restore", "latest:s:d", target_, "--exclude", "*.tmp"}).status, 0);
  EXPECT_EQ(read_text(target_ + "/b"), "beta");
  EXPECT_FALSE(std::filesystem::exists(target_ + "/c.tmp"));
  ASSERT_EQ(admin({"restore", "latest:s", directory_ / "two", "-i", "b"}).status, 0);
  EXPECT_EQ(read_text(directory_ / "two/d/b"), "beta");
  EXPECT_FALSE(std::filesystem::exists(directory_ / "two/a"));
  EXPECT_EQ(admin({"restore", "latest:s:nowhere", directory_ / "three"}).status, 1);
  EXPECT_FALSE(std::filesystem::exists(directory_ / "three"));
}

TEST_F(Restore, ADamagedFileIsNamedAndTheOthersAreRestored) {
  const std::set<std::string> before = data_packs();
  directory_.write("src/large", std::string(300'000, 'x'));
  ASSERT_EQ(admin({"backup", "--source", "s", directory_ / "src"}).status, 0);
  for (const std::string& pack : data_packs()) {
    if (!before.contains(pack)) std::filesystem::remove(pack);
  }
  const RunResult result = admin({"restore", "latest:s", target_, "--json"});
  EXPECT_EQ(result.status, 14);
  EXPECT_EQ(result.json().at("failed"), 1);
  EXPECT_EQ(result.json().at("failures")[0].at("path"), "large");
  EXPECT_EQ(result.json().at("failures")[0].at("kind"), "corrupt");
  EXPECT_THAT(result.err, HasSubstr("large"));
  EXPECT_EQ(read_text(target_ + "/a"), "alpha");
  EXPECT_FALSE(std::filesystem::exists(target_ + "/large"));
}

}  // namespace
}  // namespace vgerfs::cli
