// delete, undelete, hold, release, tag: what they print and what they leave.
#include <filesystem>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

class RemovedSnapshots : public Commands {
 protected:
  nlohmann::json listed(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"list", "--json"});
    return admin(more).json();
  }
};

TEST_F(RemovedSnapshots, UndeleteBringsBackWhatDeleteRemovedAgainAndAgain) {
  const std::string id = add_snapshot();
  const std::string other = add_snapshot();
  for (int i = 0; i < 2; ++i) {
    ASSERT_EQ(admin({"delete", id}).status, 0);
    EXPECT_THAT(listed(), SizeIs(1));
    const RunResult result = admin({"undelete", id.substr(0, 10), "--json"});
    ASSERT_EQ(result.status, 0) << result.err;
    ASSERT_THAT(result.json(), SizeIs(1));
    EXPECT_EQ(result.json()[0].at("id"), id);
    EXPECT_THAT(listed(), SizeIs(2));
    EXPECT_EQ(admin({"dump", id + ":d/file"}).status, 0);
  }
  EXPECT_EQ(admin({"check", "--read-data"}).status, 0);
}

TEST_F(RemovedSnapshots, AreListedWithThePromise) {
  const std::string id = add_snapshot("here", "home", {"weekly"});
  add_snapshot("here", "etc");
  EXPECT_EQ(admin({"undelete", "--list"}).out, "no removed snapshots are left in the store\n");
  ASSERT_EQ(admin({"delete", "latest:home", "latest:etc"}).status, 0);
  const auto removed = listed({"--removed", "home"});
  ASSERT_THAT(removed, SizeIs(1));
  EXPECT_EQ(removed[0].at("id"), id);
  EXPECT_EQ(removed[0].at("promised"), true);
  EXPECT_THAT(removed[0].at("tags"), ElementsAre("weekly"));
  EXPECT_THAT(admin({"list", "--removed"}).out,
              AllOf(HasSubstr(id.substr(0, 8)), HasSubstr("for certain until"), HasSubstr("etc")));
  EXPECT_THAT(admin({"undelete", "--list", "--json"}).json(), SizeIs(2));
  EXPECT_THAT(listed(), IsEmpty());
  EXPECT_EQ(admin({"list", "--removed", "--latest"}).status, 2);
}

TEST_F(RemovedSnapshots, UndeleteFindsThemByLineAndTime) {
  const std::string id = add_snapshot();
  add_snapshot("here", "etc");
  ASSERT_EQ(admin({"delete", id}).status, 0);
  const std::string time = listed({"--removed"})[0].at("name");
  EXPECT_EQ(admin({"undelete", "latest:etc"}).status, 1);
  EXPECT_EQ(admin({"undelete", "latest:home"}).status, 0);
  ASSERT_EQ(admin({"delete", id}).status, 0);
  EXPECT_EQ(admin({"undelete", time}).status, 0);
  EXPECT_THAT(listed(), SizeIs(2));
}

TEST_F(RemovedSnapshots, UndeleteSaysWhyItCannot) {
  const std::string there = add_snapshot();
  const std::string gone = add_snapshot();
  ASSERT_EQ(admin({"delete", gone}).status, 0);
  std::filesystem::remove(repository_ + "/snapshots/" + gone);
  const auto failure = [&](std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), "undelete");
    const RunResult result = admin(arguments);
    return std::to_string(result.status) + " " + result.err;
  };
  EXPECT_THAT(failure({there}), AllOf(HasSubstr("1 "), HasSubstr("is not removed")));
  EXPECT_THAT(failure({gone}), AllOf(HasSubstr("1 "), HasSubstr("is gone")));
  EXPECT_THAT(failure({"0123"}), AllOf(HasSubstr("1 "), HasSubstr("undelete --list")));
  EXPECT_THAT(failure({}), HasSubstr("2 "));
  EXPECT_THAT(failure({"--list", there}), HasSubstr("2 "));
}

TEST_F(RemovedSnapshots, DeleteGivesUpWhatCannotBeRead) {
  add_snapshot();
  const std::string damaged = add_snapshot();
  damage_snapshot(damaged);
  EXPECT_EQ(admin({"list"}).status, 14);
  ASSERT_EQ(admin({"hold", damaged}).status, 0);
  EXPECT_EQ(admin({"delete", damaged}).status, 1);
  ASSERT_EQ(admin({"release", damaged}).status, 0);
  const RunResult result = admin({"delete", damaged.substr(0, 12), "--json"});
  EXPECT_EQ(result.status, 0) << result.err;
  ASSERT_THAT(result.json(), SizeIs(1));
  EXPECT_EQ(result.json()[0].at("id"), damaged);
  EXPECT_EQ(admin({"list"}).status, 0);
}

TEST_F(RemovedSnapshots, HeldOnesAreNotDeletedNorPruned) {
  const std::string first = add_snapshot();
  const std::string second = add_snapshot();
  const std::string third = add_snapshot();
  const RunResult held = admin({"hold", first, first, "--json"});
  ASSERT_EQ(held.status, 0) << held.err;
  ASSERT_THAT(held.json(), SizeIs(1));
  EXPECT_EQ(held.json()[0].at("held"), true);
  EXPECT_EQ(listed()[0].at("held"), true);
  EXPECT_EQ(listed()[1].at("held"), false);
  EXPECT_THAT(admin({"list"}).out, HasSubstr("(held)"));
  EXPECT_THAT(admin({"info", first}).out, HasSubstr("(held)"));
  EXPECT_THAT(admin({"hold", first}).out, HasSubstr("already held"));

  const RunResult refused = admin({"delete", second, first});
  EXPECT_EQ(refused.status, 1);
  EXPECT_THAT(refused.err, HasSubstr("release " + first.substr(0, 8)));
  EXPECT_THAT(listed(), SizeIs(3));
  EXPECT_EQ(admin({"prune", "--keep-last", "1"}).status, 0);
  ASSERT_THAT(listed(), SizeIs(2));
  EXPECT_EQ(listed()[0].at("id"), first);

  EXPECT_EQ(admin({"release", first}).status, 0);
  EXPECT_THAT(admin({"list"}).out, Not(HasSubstr("held")));
  EXPECT_EQ(admin({"prune", "--keep-last", "1"}).status, 0);
  ASSERT_THAT(listed(), SizeIs(1));
  EXPECT_EQ(listed()[0].at("id"), third);
}

TEST_F(RemovedSnapshots, TagsAreChangedAndCountEverywhere) {
  const std::string id = add_snapshot("here", "home", {"weekly", "old"});
  const std::string other = add_snapshot();
  const RunResult result =
      admin({"tag", id, other, "--add", "keep", "--add", "weekly", "--remove", "old", "--json"});
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(result.json()[0].at("tags"), ElementsAre("weekly", "keep"));
  EXPECT_THAT(result.json()[1].at("tags"), ElementsAre("keep", "weekly"));
  EXPECT_THAT(listed()[0].at("tags"), ElementsAre("weekly", "keep"));
  EXPECT_THAT(listed({"--tag", "old"}), IsEmpty());
  EXPECT_THAT(listed({"--tag", "keep"}), SizeIs(2));
  EXPECT_THAT(admin({"info", id}).out, HasSubstr("weekly,keep"));
  EXPECT_THAT(admin({"info", id, "--json"}).json().at("tags"), ElementsAre("weekly", "keep"));
  EXPECT_EQ(admin({"tag", id, "--set", "a,b,a"}).status, 0);
  EXPECT_THAT(listed()[0].at("tags"), ElementsAre("a", "b"));
  EXPECT_EQ(admin({"prune", "--keep-tag", "a"}).status, 0);
  ASSERT_THAT(listed(), SizeIs(1));
  EXPECT_THAT(admin({"tag", id, "--set", ""}).out, HasSubstr("no tags"));
  EXPECT_THAT(listed()[0].at("tags"), IsEmpty());
}

TEST_F(RemovedSnapshots, ATagThatCannotBeOneIsRefused) {
  const std::string id = add_snapshot();
  for (const std::string wrong : {"", "a,b", "a\nb", "\xff"}) {
    EXPECT_EQ(admin({"tag", id, "--add", wrong}).status, 2) << wrong;
  }
  for (const std::string& wrong :
       {std::string{"good,a\nb"}, std::string{"\xff"}, std::string(129, 'x')}) {
    EXPECT_EQ(admin({"tag", id, "--set", wrong}).status, 2) << wrong;
  }
  EXPECT_EQ(admin({"tag", id, "--add", std::string(129, 'x')}).status, 2);
  EXPECT_EQ(admin({"tag", id}).status, 2);
  EXPECT_THAT(listed()[0].at("tags"), IsEmpty());
}

TEST_F(RemovedSnapshots, AnIngestKeyMayDoNoneOfIt) {
  const std::string id = add_snapshot();
  const std::string removed = add_snapshot();
  ASSERT_EQ(admin({"delete", removed}).status, 0);
  const std::string ingest = directory_ / "ingest";
  ASSERT_EQ(admin({"key", "add", "--role", "ingest", "--new-key-file", ingest}).status, 0);
  const auto records = std::distance(std::filesystem::directory_iterator{repository_ + "/index"},
                                     std::filesystem::directory_iterator{});
  for (const std::vector<std::string>& command : std::vector<std::vector<std::string>>{
           {"hold", id}, {"release", id}, {"tag", id, "--add", "a"}, {"undelete", removed}}) {
    EXPECT_EQ(with_key(ingest, command).status, 1) << command[0];
  }
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{repository_ + "/index"},
                          std::filesystem::directory_iterator{}),
            records);
}

}  // namespace
}  // namespace vgerfs::cli
