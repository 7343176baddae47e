// rebuild-index at the command line.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;

class RebuildIndexCommand : public Commands {
 protected:
  void SetUp() override {
    Commands::SetUp();
    directory_.write("src/large", std::string(300'000, 'a') + "end");
    directory_.write("src/small", "small");
    ASSERT_EQ(admin({"backup", "--source", "s", directory_ / "src"}).status, 0);
  }

  RunResult admin_as(const std::string& client, std::vector<std::string> arguments) {
    client_ = client;
    RunResult result = admin(std::move(arguments));
    client_.clear();
    return result;
  }
  void lose_records() const {
    std::filesystem::remove_all(repository_ + "/index");
    std::filesystem::create_directory(repository_ + "/index");
  }
};

TEST_F(RebuildIndexCommand, BringsLostRecordsBack) {
  lose_records();
  EXPECT_EQ(admin({"rebuild-index"}).status, 15) << "a loss is not taken for granted";
  const auto planned =
      admin_as("fresh", {"--accept-rollback", "rebuild-index", "--dry-run", "--json"}).json();
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
  EXPECT_EQ(admin_as("another", {"restore", "latest", directory_ / "restored"}).status, 0);
  EXPECT_THAT(admin({"rebuild-index"}).out, HasSubstr("every pack is named"));
}

}  // namespace
}  // namespace vgerfs::cli
