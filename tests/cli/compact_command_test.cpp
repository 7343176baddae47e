// compact and lock at the command line.
#include <filesystem>

#include <gtest/gtest.h>

#include "cli/cli_run.h"

namespace vgerfs::cli {
namespace {

class CompactCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    TestIo surroundings;
    const RunResult made =
        run({"-r", repository_, "init", "--new-key-file", directory_ / "key"}, surroundings);
    ASSERT_EQ(made.status, 0) << made.err;
    back_up(std::string(300'000, 'a') + "old");
    back_up("new");
    ASSERT_EQ(admin({"delete", "latest"}).status, 0);
  }

  void back_up(const std::string& content) {
    directory_.write("src/file", content);
    const RunResult made = admin({"backup", "--source", "s", directory_ / "src"});
    ASSERT_EQ(made.status, 0) << made.err;
  }

  RunResult admin(std::vector<std::string> arguments) {
    TestIo surroundings;
    surroundings.environment["VGERFS_REPOSITORY"] = repository_;
    surroundings.environment["VGERFS_KEY_FILE"] = directory_ / "key";
    surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
    surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
    arguments.insert(arguments.begin(), {"--host", "here"});
    return run(arguments, surroundings);
  }

  /// The store's clock is that of the file system: everything in it was stored so much earlier.
  void pass(std::chrono::hours hours) const {
    for (const auto& entry : std::filesystem::recursive_directory_iterator{repository_}) {
      if (entry.is_regular_file())
        std::filesystem::last_write_time(entry, entry.last_write_time() - hours);
    }
  }
  std::size_t packs() const {
    std::size_t count = 0;
    for (const auto& entry : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
      count += entry.is_regular_file() ? 1U : 0U;
    }
    return count;
  }

  TemporaryDirectory directory_;
  std::string repository_ = directory_ / "repository";
};

TEST_F(CompactCommand, CondemnsFirstAndDeletesAfterTheGraceTime) {
  ASSERT_EQ(packs(), 4U);
  EXPECT_EQ(admin({"compact", "--json"}).json().at("condemned_packs"), 0) << "all is young";
  pass(std::chrono::hours{25});
  const auto planned = admin({"compact", "--dry-run", "--json"}).json();
  EXPECT_EQ(planned.at("plan").at("condemn").size(), 2U);
  EXPECT_EQ(planned.at("condemned_packs"), 0);
  const RunResult condemned = admin({"compact"});
  ASSERT_EQ(condemned.status, 0) << condemned.err;
  EXPECT_NE(condemned.out.find("condemned 2"), std::string::npos) << condemned.out;
  EXPECT_EQ(packs(), 4U);
  pass(std::chrono::hours{25});
  EXPECT_EQ(admin({"compact", "--json"}).json().at("deleted_packs"), 2);
  EXPECT_EQ(packs(), 2U);
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(CompactCommand, NowDeletesAtOnce) {
  const auto done = admin({"compact", "--now", "--json"}).json();
  EXPECT_EQ(done.at("deleted_packs"), 2);
  EXPECT_EQ(packs(), 2U);
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(CompactCommand, BadNumbersAreUsageErrors) {
  EXPECT_EQ(admin({"compact", "--grace", "soon"}).status, 2);
  EXPECT_EQ(admin({"compact", "--grace", "5m"}).status, 2);
  EXPECT_EQ(admin({"compact", "--max-repack", "much"}).status, 2);
  EXPECT_EQ(admin({"compact", "--threshold", "101"}).status, 2);
}

TEST_F(CompactCommand, LocksAreListedAndBroken) {
  // A lease that its holder left behind: taken, copied, and put back when he is gone.
  std::filesystem::create_directories(repository_ + "/locks");
  EXPECT_EQ(admin({"lock", "list", "--json"}).json().size(), 0U);
  EXPECT_EQ(admin({"lock", "break"}).status, 2);
  EXPECT_EQ(admin({"lock", "break", "1234"}).status, 2);
  const std::string junk(100, 'x');
  const std::string name = "9f2c1c0d9d7a2a4d6f9e8f5a1b3c4d5e6f708192a3b4c5d6e7f8091a2b3c4d5e";
  directory_.write("repository/locks/" + name, junk);
  const auto listed = admin({"lock", "list", "--json"}).json();
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].at("live"), true) << "what cannot be opened counts for a day";
  EXPECT_EQ(admin({"lock", "break", "9f2c"}).status, 11);
  pass(std::chrono::hours{31});
  EXPECT_EQ(admin({"lock", "list", "--json"}).json()[0].at("live"), false);
  EXPECT_EQ(admin({"lock", "break", "--expired"}).status, 0);
  EXPECT_EQ(admin({"lock", "list", "--json"}).json().size(), 0U);
}

}  // namespace
}  // namespace vgerfs::cli
