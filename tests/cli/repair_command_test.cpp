// rebuild-index at the command line.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;

class RepairCommand : public testing::Test {
 protected:
  void SetUp() override {
    TestIo surroundings;
    const RunResult made =
        run({"-r", repository_, "init", "--new-key-file", directory_ / "key"}, surroundings);
    ASSERT_EQ(made.status, 0) << made.err;
    directory_.write("src/large", std::string(300'000, 'a') + "end");
    directory_.write("src/small", "small");
    ASSERT_EQ(admin({"backup", "--source", "s", directory_ / "src"}).status, 0);
  }

  RunResult admin(std::vector<std::string> arguments, const std::string& client = "client") {
    TestIo surroundings;
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    surroundings.environment["VGERFS_KEY_FILE"] = directory_ / "key";
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / (client + "/cache");
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / (client + "/state");
    arguments.insert(arguments.begin(), {"--host", "here"});
    return run(arguments, surroundings);
  }
  void lose_records() const {
    std::filesystem::remove_all(repository_ + "/index");
    std::filesystem::create_directory(repository_ + "/index");
  }

  TemporaryDirectory directory_;
  std::string repository_ = directory_ / "repository";
};

TEST_F(RepairCommand, RebuildIndexBringsLostRecordsBack) {
  lose_records();
  EXPECT_EQ(admin({"rebuild-index"}).status, 15) << "a loss is not taken for granted";
  const auto planned =
      admin({"--accept-rollback", "rebuild-index", "--dry-run", "--json"}, "fresh").json();
  EXPECT_EQ(planned.at("dry_run"), true);
  EXPECT_EQ(planned.at("lost_records").size(), 1U);
  EXPECT_EQ(planned.at("unnamed_packs"), 2);
  EXPECT_EQ(planned.at("named_packs"), 0);
  const RunResult done = admin({"--accept-rollback", "rebuild-index"});
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("named 2 packs"));
  EXPECT_THAT(done.err, HasSubstr("may also have removed"))
      << "what a record says beside packs is lost";
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
  EXPECT_EQ(admin({"restore", "latest", directory_ / "restored"}, "another").status, 0);
  EXPECT_THAT(admin({"rebuild-index"}).out, HasSubstr("every pack is named"));
}

}  // namespace
}  // namespace vgerfs::cli
