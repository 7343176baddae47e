// check as a user calls it: what it prints, what it exits with.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::SizeIs;

class CheckCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_EQ(admin({"init", "--new-key-file", directory_ / "key"}).status, 0);
    directory_.write("src/a", "alpha");
    directory_.write("src/b/c", "gamma");
    ASSERT_EQ(admin({"backup", "--source", "s", directory_ / "src"}).status, 0);
  }

  RunResult admin(std::vector<std::string> arguments) {
    TestIo surroundings;
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    if (arguments.at(0) != "init") surroundings.environment["VGERFS_KEY_FILE"] = directory_ / "key";
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
    return run(arguments, surroundings);
  }
  std::filesystem::path data_pack() {
    std::filesystem::path largest;
    for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
      if (!pack.is_regular_file()) continue;
      if (largest.empty() || pack.file_size() < std::filesystem::file_size(largest)) {
        largest = pack.path();
      }
    }
    return largest;
  }

  TemporaryDirectory directory_;
  std::string repository_ = directory_ / "repository";
};

TEST_F(CheckCommand, SaysWhatItLookedAt) {
  EXPECT_THAT(admin({"check", "--quick"}).out, AllOf(HasSubstr("2 packs"), Not(HasSubstr("file"))));
  EXPECT_THAT(admin({"check"}).out, AllOf(HasSubstr("2 files"), HasSubstr("no data was read")));
  EXPECT_THAT(admin({"check", "--read-data"}).out, HasSubstr("read 2 packs"));
  EXPECT_THAT(admin({"check", "--read-data=10%"}).out, HasSubstr("read 1 pack,"));
  EXPECT_THAT(admin({"check", "--read-data=1K"}).out, HasSubstr("read 2 packs"));
  const RunResult json = admin({"check", "--read-data", "--no-vouch", "--json"});
  EXPECT_EQ(json.json().at("level"), "data");
  EXPECT_EQ(json.json().at("ok"), true);
  EXPECT_EQ(json.json().at("vouched_blocks"), 0);
}

TEST_F(CheckCommand, RefusesSharesThatAreNone) {
  for (const char* share : {"0%", "101%", "-1%", "x%", "%", "0", "five", "5%%"}) {
    const RunResult result = admin({"check", std::string{"--read-data="} + share});
    EXPECT_EQ(result.status, 2) << share;
  }
  EXPECT_EQ(admin({"check", "--quick", "--read-data"}).status, 2);
}

TEST_F(CheckCommand, EachFindingSaysWhomItHurtsAndWhatToDo) {
  const std::filesystem::path victim = data_pack();
  std::filesystem::remove(victim);
  const RunResult json = admin({"check", "--json"});
  EXPECT_EQ(json.status, 14);
  const auto findings = json.json().at("findings");
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].at("kind"), "pack_missing");
  EXPECT_EQ(findings[0].at("severity"), "error");
  EXPECT_THAT(findings[0].at("object").get<std::string>(), HasSubstr(victim.filename().string()));
  EXPECT_THAT(findings[0].at("advice").get<std::string>(), HasSubstr("vgerfs-admin repair"));
  EXPECT_EQ(findings[0].at("affected_count"), 2);
  EXPECT_EQ(findings[0].at("affected")[1].at("path"), "b/c");
  EXPECT_EQ(findings[0].at("snapshots")[0], findings[0].at("affected")[0].at("snapshot"));
  const RunResult text = admin({"check"});
  EXPECT_EQ(text.status, 14);
  EXPECT_THAT(text.out,
              AllOf(HasSubstr("error: data/"), HasSubstr(":b/c"), HasSubstr("what to do")));
  EXPECT_THAT(text.err, HasSubstr("1 error found"));
}

}  // namespace
}  // namespace vgerfs::cli
