// find as a user calls it.
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <set>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"

namespace vgerfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Find : public Commands {
 protected:
  void write(const std::string& name, const std::string& text,
             std::int64_t time_s = 1'700'000'000) {
    const timespec times[] = {{time_s, 0}, {time_s, 0}};
    const std::string path = directory_.write("src/" + name, text);
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  }
  std::string back_up(const std::string& source = "s") {
    const RunResult made =
        admin({"backup", "--force-snapshot", "--source", source, directory_ / "src", "--json"});
    EXPECT_EQ(made.status, 0) << made.err;
    return made.json().at("id");
  }
  nlohmann::json find(std::vector<std::string> arguments, int status = 0) {
    arguments.insert(arguments.begin(), "find");
    arguments.emplace_back("--json");
    const RunResult result = admin(arguments);
    EXPECT_EQ(result.status, status) << result.err;
    return result.json();
  }
  std::vector<std::string> paths(const std::vector<std::string>& arguments) {
    std::vector<std::string> found;
    for (const auto& each : find(arguments)) found.push_back(each.at("path"));
    return found;
  }
};

TEST_F(Find, TellsVersionsAndTheSnapshotsThatHaveThem) {
  write("d/letter.txt", "first");
  write("other", "o");
  const std::string one = back_up();
  const std::string two = back_up();
  write("d/letter.txt", "second, longer");
  const std::string three = back_up();
  std::filesystem::remove(directory_ / "src/d/letter.txt");
  back_up();
  write("d/letter.txt", "first");
  const std::string five = back_up();
  const auto found = find({"letter.*"});
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_EQ(found[0].at("path"), "d/letter.txt");
  EXPECT_EQ(found[0].at("host"), "here");
  EXPECT_EQ(found[0].at("source"), "s");
  const auto& versions = found[0].at("versions");
  ASSERT_THAT(versions, SizeIs(2));
  EXPECT_EQ(versions[0].at("size"), 5);
  EXPECT_THAT(versions[0].at("snapshots"), ElementsAre(one, two, five));
  EXPECT_EQ(versions[1].at("size"), 14);
  EXPECT_THAT(versions[1].at("snapshots"), ElementsAre(three));
  const RunResult text = admin({"find", "letter.*"});
  EXPECT_THAT(text.out, HasSubstr("here/s: " + one.substr(0, 8)));
  EXPECT_THAT(text.out, HasSubstr("3 snapshots"));
}

TEST_F(Find, WhatComesBackIsTheOldVersionWhateverItsLinksAndChangeTime) {
  write("d/file", "old");
  const std::string one = back_up();
  write("d/file", "new, longer");
  std::filesystem::permissions(directory_ / "src/d", std::filesystem::perms{0700});
  const std::string two = back_up();
  std::this_thread::sleep_for(std::chrono::milliseconds{1100});  // the next second
  write("d/file", "old");
  std::filesystem::create_hard_link(directory_ / "src/d/file", directory_ / "src/d/link");
  std::filesystem::permissions(directory_ / "src/d", std::filesystem::perms{0755});
  const std::string three = back_up();
  const auto found = find({"d", "file"});
  ASSERT_THAT(found, SizeIs(2));
  for (const auto& each : found) {
    ASSERT_THAT(each.at("versions"), SizeIs(2)) << each;
    EXPECT_THAT(each.at("versions")[0].at("snapshots"), ElementsAre(one, three));
  }
}

TEST_F(Find, WhatBecomesADirectoryOrAFileIsFollowed) {
  write("x", "a file");
  const std::string one = back_up();
  std::filesystem::remove(directory_ / "src/x");
  write("x/inside", "i");
  const std::string two = back_up();
  std::filesystem::remove_all(directory_ / "src/x");
  back_up();
  const auto found = find({"x", "inside"});
  ASSERT_THAT(found, SizeIs(2));
  ASSERT_THAT(found[0].at("versions"), SizeIs(2));
  EXPECT_THAT(found[0].at("versions")[0].at("snapshots"), ElementsAre(one));
  EXPECT_THAT(found[0].at("versions")[1].at("snapshots"), ElementsAre(two));
  EXPECT_THAT(found[1].at("versions")[0].at("snapshots"), ElementsAre(two));
}

TEST_F(Find, PatternsAreForNamesOrPathsOrExpressions) {
  write("a/b/Letter.txt", "1");
  write("a/letter.txt", "2");
  write("letter.bak", "3");
  back_up();
  EXPECT_THAT(paths({"letter.txt"}), ElementsAre("a/letter.txt"));
  EXPECT_THAT(paths({"-i", "LETTER.TXT"}), ElementsAre("a/b/Letter.txt", "a/letter.txt"));
  EXPECT_THAT(paths({"a/*.txt"}), ElementsAre("a/letter.txt"));
  EXPECT_THAT(paths({"/letter.*"}), ElementsAre("letter.bak"));
  EXPECT_THAT(paths({"a/**/*.txt"}), ElementsAre("a/b/Letter.txt", "a/letter.txt"));
  EXPECT_THAT(paths({"--regex", "^a/.*tt[e]r"}), ElementsAre("a/b/Letter.txt", "a/letter.txt"));
  EXPECT_THAT(paths({"--regex", "-i", "^LETTER\\.bak$"}), ElementsAre("letter.bak"));
  EXPECT_THAT(paths({"*.bak", "b"}), ElementsAre("a/b", "letter.bak"));
  EXPECT_THAT(paths({"nothing"}), IsEmpty());
  EXPECT_EQ(admin({"find", "--regex", "("}).status, 2);
}

TEST_F(Find, ConditionsNarrowItDown) {
  write("small", "1");
  write("large", std::string(5000, 'x'));
  write("old", "1", 1'000'000'000);
  std::filesystem::create_symlink("small", directory_ / "src/link");
  back_up();
  EXPECT_THAT(paths({"*", "--larger", "4K"}), ElementsAre("large"));
  EXPECT_THAT(paths({"*", "--smaller", "2"}), ElementsAre("old", "small"));
  EXPECT_THAT(paths({"*", "--type", "l"}), ElementsAre("link"));
  EXPECT_THAT(paths({"*", "--older", "2001-09-10"}), ElementsAre("old"));
  EXPECT_THAT(paths({"*", "--newer", "2001-09-10", "--type", "f"}), ElementsAre("large", "small"));
  EXPECT_THAT(paths({"*", "--newer", "1d"}), ElementsAre("link"));
  EXPECT_EQ(admin({"find", "*", "--newer", "yesterday"}).status, 2);
  EXPECT_EQ(admin({"find", "*", "--larger", "big"}).status, 2);
  EXPECT_EQ(admin({"find", "*", "--type", "x"}).status, 2);
}

TEST_F(Find, FiltersChooseTheSnapshots) {
  write("f", "1");
  const std::string one = back_up("s");
  const std::string two = back_up("t");
  ASSERT_EQ(admin({"tag", two, "--add", "keep"}).status, 0);
  const auto in = [&](const std::vector<std::string>& more) {
    std::vector<std::string> arguments{"f"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    std::vector<std::string> ids;
    for (const auto& each : find(arguments))
      ids.push_back(each.at("versions")[0].at("snapshots")[0]);
    return ids;
  };
  EXPECT_THAT(in({}), ElementsAre(one, two));
  EXPECT_THAT(in({"--snapshot", one}), ElementsAre(one));
  EXPECT_THAT(in({"--source", "t"}), ElementsAre(two));
  EXPECT_THAT(in({"--tag", "keep"}), ElementsAre(two));
  EXPECT_THAT(in({"--host", "there"}), IsEmpty());
  EXPECT_EQ(admin({"find", "f", "--snapshot", "nosuch"}).status, 1);
}

TEST_F(Find, LinksAndTheTimesOfDirectoriesMakeNoVersion) {
  write("d/f", "1");
  const std::string one = back_up();
  std::filesystem::create_hard_link(directory_ / "src/d/f", directory_ / "src/d/link");
  const std::string two = back_up();
  const auto found = find({"f", "d"});
  ASSERT_THAT(found, SizeIs(2));
  for (const auto& file : found) {
    ASSERT_THAT(file.at("versions"), SizeIs(1)) << file.at("path");
    EXPECT_THAT(file.at("versions")[0].at("snapshots"), ElementsAre(one, two));
  }
}

TEST_F(Find, WhatTwoHostsHaveIsToldApart) {
  const std::string here = add_snapshot("here");
  const std::string there = add_snapshot("there");
  const auto found = find({"file"});
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].at("host"), "here");
  EXPECT_THAT(found[0].at("versions")[0].at("snapshots"), ElementsAre(here));
  EXPECT_EQ(found[1].at("host"), "there");
  EXPECT_THAT(found[1].at("versions")[0].at("snapshots"), ElementsAre(there));
}

TEST_F(Find, AnUnreadableSnapshotIsADamage) {
  const std::string good = add_snapshot();
  damage_snapshot(add_snapshot());
  const auto found = find({"file"}, 14);
  ASSERT_THAT(found, SizeIs(1));
  EXPECT_THAT(found[0].at("versions")[0].at("snapshots"), ElementsAre(good));
}

TEST_F(Find, WhatCannotBeReadIsNamedAndTheRestIsFound) {
  write("f", "1");
  const std::string one = back_up();
  std::set<std::string> whole;
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"})
    whole.insert(pack.path());
  write("g", "2");
  const std::string two = back_up();
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
    if (pack.is_regular_file() && !whole.contains(pack.path()))
      std::filesystem::remove(pack.path());
  }
  std::filesystem::remove(directory_ / "src/g");
  client_ = "another ";
  const RunResult result = admin({"find", "f", "--json"});
  EXPECT_EQ(result.status, 14);
  EXPECT_THAT(result.err, HasSubstr(two.substr(0, 8)));
  ASSERT_THAT(result.json(), SizeIs(1));
  EXPECT_THAT(result.json()[0].at("versions")[0].at("snapshots"), ElementsAre(one));
}

// Also one that differs from the one before only in what can be read.
TEST_F(Find, EverySnapshotThatLacksSomethingIsNamed) {
  write("d/lost", "1");
  const std::string one = back_up();
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
    if (pack.is_regular_file()) std::filesystem::remove(pack.path());
  }
  client_ = "another ";
  write("f", "2");
  const std::string two = back_up();
  write("g", "3");
  const std::string three = back_up();
  const RunResult result = admin({"find", "f", "--json"});
  EXPECT_EQ(result.status, 14);
  for (const std::string& id : {one, two, three}) {
    EXPECT_THAT(result.err, HasSubstr("snapshot " + id.substr(0, 8)));
  }
  ASSERT_THAT(result.json(), SizeIs(1));
  EXPECT_THAT(result.json()[0].at("versions")[0].at("snapshots"), ElementsAre(two, three));
}

}  // namespace
}  // namespace vgerfs::cli
