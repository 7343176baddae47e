// copy as a user calls it.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Copy : public Commands {
 protected:
  void SetUp() override {
    Commands::SetUp();
    TestIo surroundings;
    const RunResult made = run({"-r", other_, "init", "--new-key-file", other_key_}, surroundings);
    ASSERT_EQ(made.status, 0) << made.err;
  }
  RunResult copy(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"copy", "--to", other_, "--to-key-file", other_key_, "--json"});
    return admin(more);
  }
  /// Of the other repository.
  RunResult there(std::vector<std::string> arguments) {
    TestIo surroundings;
    prepare(surroundings);
    surroundings.environment["VGERFS_REPOSITORY"] = other_;
    arguments.insert(arguments.begin(), {"--key-file", other_key_, "--host", "here"});
    return run(arguments, surroundings);
  }

  std::string other_ = directory_ / "other";
  std::string other_key_ = directory_ / "other-key";
};

TEST_F(Copy, CopiesWhatIsNotThere) {
  const std::string one = add_snapshot("here", "home", {"weekly"});
  const std::string two = add_snapshot("there", "etc");
  const RunResult told = copy({"--dry-run"});
  EXPECT_EQ(told.status, 0) << told.err;
  EXPECT_THAT(told.json().at("snapshots"), SizeIs(2));
  EXPECT_THAT(there({"list", "--json"}).json(), IsEmpty());
  const RunResult result = copy();
  EXPECT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.json().at("snapshots"), SizeIs(2));
  const auto list = there({"list", "--json"}).json();
  ASSERT_THAT(list, SizeIs(2));
  EXPECT_THAT(list[0].at("trigger").get<std::string>(), HasSubstr("/" + one));
  EXPECT_EQ(list[0].at("tags")[0], "weekly");
  EXPECT_EQ(there({"dump", "latest:home:d/file"}).out, admin({"dump", "latest:home:d/file"}).out);
  EXPECT_EQ(there({"check", "--read-data"}).status, 0);
  const auto again = copy().json();
  EXPECT_THAT(again.at("snapshots"), IsEmpty());
  EXPECT_THAT(again.at("skipped"), SizeIs(2));
}

TEST_F(Copy, TakesTheChosenOnes) {
  const std::string one = add_snapshot("here", "home");
  add_snapshot("there", "etc", {"keep"});
  add_snapshot("there", "home");
  EXPECT_THAT(copy({"--dry-run", one.substr(0, 10)}).json().at("snapshots"), SizeIs(1));
  EXPECT_THAT(copy({"--dry-run", "--host", "there"}).json().at("snapshots"), SizeIs(2));
  EXPECT_THAT(copy({"--dry-run", "--source", "home"}).json().at("snapshots"), SizeIs(2));
  EXPECT_THAT(copy({"--dry-run", "--tag", "keep"}).json().at("snapshots"), SizeIs(1));
  EXPECT_EQ(copy({"nosuch"}).status, 1);
}

TEST_F(Copy, RefusesWhatMakesNoSense) {
  add_snapshot();
  EXPECT_EQ(admin({"copy", "--to", repository_}).status, 2);
  EXPECT_EQ(admin({"copy", "--to", directory_ / "nowhere"}).status, 10);
  EXPECT_EQ(admin({"copy", "--to", other_}).status, 12) << "the first one's key opens the other";
  EXPECT_EQ(admin({"copy"}).status, 2);
  EXPECT_THAT(there({"list", "--json"}).json(), IsEmpty());
}

TEST_F(Copy, ADamagedOneIsNamedAndTheOthersAreCopied) {
  add_snapshot("here", "home");
  const std::string damaged = [&] {
    std::map<std::string, bool> whole;
    for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"})
      whole[pack.path()] = true;
    directory_.write("src/file", "of its own");
    const RunResult made = admin({"backup", "--source", "s", directory_ / "src", "--json"});
    for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
      if (pack.is_regular_file() && !whole.contains(pack.path()))
        std::filesystem::remove(pack.path());
    }
    return made.json().at("id").get<std::string>();
  }();
  client_ = "another ";
  const RunResult result = copy();
  EXPECT_EQ(result.status, 14);
  EXPECT_THAT(result.json().at("snapshots"), SizeIs(1));
  ASSERT_THAT(result.json().at("failed"), SizeIs(1));
  EXPECT_EQ(result.json().at("failed")[0].at("id"), damaged);
  EXPECT_THAT(result.err, HasSubstr(damaged.substr(0, 8)));
  EXPECT_THAT(there({"list", "--json"}).json(), SizeIs(1));
}

}  // namespace
}  // namespace vgerfs::cli
