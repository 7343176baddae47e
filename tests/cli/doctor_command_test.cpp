// doctor as a user calls it. What this machine is like is not known: only what a test makes wrong
// is looked for.
#include <sys/stat.h>

#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;

class Doctor : public Commands {
 protected:
  /// The worst that is said of each subject.
  std::map<std::string, std::string> grades(const RunResult& result) {
    const std::vector<std::string> order{"ok", "note", "warning", "error"};
    const auto rank = [&](const std::string& grade) {
      return std::find(order.begin(), order.end(), grade) - order.begin();
    };
    std::map<std::string, std::string> worst;
    for (const auto& each : result.json()) {
      std::string& grade = worst[each.at("subject")];
      const std::string mine = each.at("grade");
      if (grade.empty() || rank(mine) > rank(grade)) grade = mine;
    }
    return worst;
  }
  RunResult doctor() { return admin({"doctor", "--json"}); }
};

TEST_F(Doctor, FindsNothingWrongWithARepositoryThatIsAllRight) {
  add_snapshot();
  // A client that was never here has nothing to compare with, which is a warning.
  ASSERT_EQ(admin({"list"}).status, 0);
  const RunResult result = doctor();
  EXPECT_NE(result.status, 1) << result.out;
  const auto found = grades(result);
  for (const char* subject : {"program", "configuration", "repository", "records", "snapshots",
                              "times", "leases", "rollback"}) {
    if (found.contains(subject)) {
      EXPECT_EQ(found.at(subject), "ok") << subject << result.out;
    }
  }
  EXPECT_EQ(found.at("rollback"), "ok");
  EXPECT_THAT(admin({"doctor"}).out, HasSubstr("rollback"));
}

TEST_F(Doctor, SaysThatAClockIsWrong) {
  TestIo surroundings;
  prepare(surroundings);
  const FixedClock clock{{1'000, 0}};
  surroundings.io.clock = &clock;
  const RunResult result = run({"--key-file", key_, "doctor", "--json"}, surroundings);
  EXPECT_EQ(result.status, 1);
  EXPECT_EQ(grades(result).at("clock"), "error");
}

TEST_F(Doctor, NamesSnapshotsOfTheFutureAndThoseThatCannotBeRead) {
  add_snapshot(
      {.host = "here", .source = "s", .tags = {}, .time = Timestamp{4'000'000'000, 0}, .key = {}});
  const RunResult future = doctor();
  EXPECT_EQ(grades(future).at("times"), "warning");
  EXPECT_NE(future.status, 0);
  const std::string damaged = add_snapshot();
  damage_snapshot(damaged);
  client_ = "another ";
  const RunResult unreadable = doctor();
  EXPECT_EQ(unreadable.status, 1);
  EXPECT_EQ(grades(unreadable).at("snapshots"), "error");
  EXPECT_THAT(unreadable.out, HasSubstr(damaged.substr(0, 8)));
}

TEST_F(Doctor, KnowsARollbackAndAWrongKey) {
  const std::string id = add_snapshot();
  ASSERT_EQ(admin({"list"}).status, 0);
  std::filesystem::remove(repository_ + "/snapshots/" + id);
  const RunResult rollback = doctor();
  EXPECT_EQ(rollback.status, 1);
  EXPECT_EQ(grades(rollback).at("rollback"), "error");
  const std::string other =
      directory_.write("other", "vgerfs-key-1:" + std::string(64, '0') + "\n");
  const RunResult wrong = with_key(other, {"doctor", "--json"});
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(grades(wrong).at("repository"), "error");
}

TEST_F(Doctor, WarnsOfDirectoriesThatOthersMayWrite) {
  ASSERT_EQ(admin({"list"}).status, 0);
  ASSERT_EQ(::chmod(repository_.c_str(), 0777), 0);
  ASSERT_EQ(::chmod((directory_ / "state").c_str(), 0777), 0);
  const auto found = grades(doctor());
  EXPECT_EQ(found.at("store"), "warning");
  EXPECT_EQ(found.at("state"), "warning");
}

TEST_F(Doctor, LooksAtTheMachineAloneWithoutARepository) {
  TestIo surroundings;
  surroundings.environment["VGERFS_STATE_DIR"] = directory_ / "state";
  surroundings.environment["VGERFS_CACHE_DIR"] = directory_ / "cache";
  const RunResult result = run({"doctor", "--json"}, surroundings);
  EXPECT_EQ(grades(result).at("repository"), "note");
  EXPECT_TRUE(grades(result).contains("fuse"));
  TestIo broken;
  const std::string file = broken.directory.write("vgerfs.yaml", "nonsense: 1\n");
  const RunResult wrong = run({"--config", file, "doctor", "--json"}, broken);
  EXPECT_EQ(wrong.status, 1);
  EXPECT_EQ(grades(wrong).at("configuration"), "error");
}

}  // namespace
}  // namespace vgerfs::cli
