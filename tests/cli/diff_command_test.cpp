#include <fcntl.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include <filesystem>
#include <map>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"
#include "repo/file_tree.h"

namespace vgerfs::cli {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using ::testing::UnorderedElementsAre;

class Diff : public Commands {
 protected:
  std::string path(const std::string& name) const { return directory_ / ("src/" + name); }
  void write(const std::string& name, const std::string& text) {
    directory_.write("src/" + name, text);
    set_time(name, 1'700'000'000);
  }
  void set_time(const std::string& name, std::int64_t time_s) {
    const timespec times[] = {{time_s, 0}, {time_s, 0}};
    ASSERT_EQ(::utimensat(AT_FDCWD, path(name).c_str(), times, AT_SYMLINK_NOFOLLOW), 0);
  }
  void backup() {
    const RunResult result = admin({"backup", "--json", "--source", "s", directory_ / "src"});
    ASSERT_EQ(result.status, 0) << result.err;
    snapshots_.push_back(result.json().at("id"));
  }
  RunResult diff(const std::string& more = "") {
    return admin({"diff", "--json", snapshots_.at(0) + more, snapshots_.at(1) + more});
  }
  static std::map<std::string, std::string> changes(const RunResult& result) {
    std::map<std::string, std::string> found;
    for (const auto& each : result.json()) found[each.at("path")] = each.at("change");
    return found;
  }

  std::vector<std::string> snapshots_;
};

TEST_F(Diff, EachKindOfChangeIsNamedAndWhatIsEqualIsNot) {
  write("same/deep/file", "the same");
  write("changed", "one");
  write("gone/a", "a");
  write("mode", "mode");
  write("time", "time");
  write("turns", "file");
  std::filesystem::create_symlink("one", path("link"));
  backup();
  write("changed", "two");
  write("new/b", "bb");
  std::filesystem::remove_all(path("gone"));
  ASSERT_EQ(::chmod(path("mode").c_str(), 0644), 0);
  set_time("time", 1'700'000'001);
  std::filesystem::remove(path("turns"));
  write("turns/inside", "now a directory");
  std::filesystem::remove(path("link"));
  std::filesystem::create_symlink("two", path("link"));
  backup();

  const RunResult result = diff();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(changes(result),
              UnorderedElementsAre(Pair("changed", "modified"), Pair("new", "added"),
                                   Pair("new/b", "added"), Pair("gone", "removed"),
                                   Pair("gone/a", "removed"), Pair("mode", "metadata"),
                                   Pair("time", "metadata"), Pair("turns", "added"),
                                   Pair("turns/inside", "added"), Pair("link", "modified")));
  for (const auto& each : result.json()) {
    if (each.at("path") == "mode") {
      EXPECT_THAT(each.at("parts"), ElementsAre("mode"));
    }
    if (each.at("path") == "time") {
      EXPECT_THAT(each.at("parts"), ElementsAre("mtime"));
    }
    if (each.at("path") == "new/b") {
      EXPECT_EQ(each.at("before"), nullptr);
      EXPECT_EQ(each.at("after").at("size"), 2);
    }
  }
  const RunResult text = admin({"diff", snapshots_[0], snapshots_[1]});
  EXPECT_THAT(text.out, HasSubstr("- gone/a  1 B\n"));
  EXPECT_THAT(text.out, HasSubstr("m mode  (mode)\n"));
  EXPECT_THAT(text.out, HasSubstr("4 added"));
}

TEST_F(Diff, DirectoriesInSnapshotsAreCompared) {
  write("d/file", "one");
  write("other", "one");
  backup();
  write("d/file", "three");
  write("other", "three");
  backup();
  EXPECT_THAT(changes(diff(":d")), ElementsAre(Pair("file", "modified")));
  EXPECT_EQ(diff(":other").status, 2);
  EXPECT_EQ(diff(":absent").status, 1);
}

class LiveDiff : public Diff {
 protected:
  RunResult live(std::vector<std::string> more = {}) {
    more.insert(more.begin(), {"diff", "--json", snapshots_.at(0), directory_ / "src"});
    return admin(more);
  }
};

TEST_F(LiveDiff, EachKindOfChangeIsNamedAndWhatIsEqualIsNot) {
  write("same/deep/file", "the same");
  write("changed", "one");
  write("gone/a", "a");
  write("mode", "mode");
  write("time", "time");
  write("attribute", "a");
  write("turns", "file");
  write("turned/inside", "directory");
  std::filesystem::create_symlink("one", path("link"));
  ASSERT_EQ(::mkfifo(path("fifo").c_str(), 0600), 0);
  backup();
  EXPECT_THAT(changes(live()), IsEmpty());
  EXPECT_THAT(changes(live({"--read-data"})), IsEmpty());

  write("changed", "longer");
  write("new/b", "bb");
  std::filesystem::remove_all(path("gone"));
  ASSERT_EQ(::chmod(path("mode").c_str(), 0644), 0);
  set_time("time", 1'700'000'001);
  ASSERT_EQ(::setxattr(path("attribute").c_str(), "user.new", "1", 1, 0), 0);
  std::filesystem::remove(path("turns"));
  write("turns/inside", "now a directory");
  std::filesystem::remove_all(path("turned"));
  write("turned", "now a file");
  std::filesystem::remove(path("link"));
  std::filesystem::create_symlink("two", path("link"));
  const RunResult result = live();
  ASSERT_EQ(result.status, 0) << result.err;
  EXPECT_THAT(changes(result),
              UnorderedElementsAre(
                  Pair("changed", "modified"), Pair("new", "added"), Pair("new/b", "added"),
                  Pair("gone", "removed"), Pair("gone/a", "removed"), Pair("mode", "metadata"),
                  Pair("time", "metadata"), Pair("attribute", "metadata"), Pair("turns", "added"),
                  Pair("turns/inside", "added"), Pair("turned", "added"),
                  Pair("turned/inside", "removed"), Pair("link", "modified")));
  for (const auto& each : result.json()) {
    if (each.at("path") == "attribute") {
      EXPECT_THAT(each.at("parts"), ElementsAre("xattrs"));
    }
  }
}

TEST_F(LiveDiff, ContentOfTheSameSizeIsComparedIfAskedFor) {
  const std::string zeros(200'000, '\0');
  write("text", "one two three");
  write("holes", "x" + zeros + "y");
  write("equal", std::string(300'000, 'e'));
  backup();
  write("text", "one TWO three");
  write("holes", "x" + std::string(200'000, 'z') + "y");
  EXPECT_THAT(changes(live()), IsEmpty());
  EXPECT_THAT(changes(live({"--read-data"})),
              UnorderedElementsAre(Pair("text", "modified"), Pair("holes", "modified")));
}

TEST_F(LiveDiff, LeavesOutWhatIsExcluded) {
  write("kept", "k");
  write("cache/old", "o");
  backup();
  std::filesystem::remove(path("cache/old"));
  write("cache/new", "n");
  write("x.tmp", "t");
  EXPECT_THAT(changes(live({"--exclude", "cache/", "-e", "*.tmp"})), IsEmpty());
}

TEST_F(LiveDiff, WhatCannotBeReadIsNamedAndNotCalledRemoved) {
  write("closed/file", "f");
  write("open", "o");
  // Root may read everything.
  const testing::AsOrdinaryUser user{{directory_.path()}};
  backup();
  std::filesystem::permissions(path("closed"), std::filesystem::perms::none);
  const RunResult result = live();
  std::filesystem::permissions(path("closed"), std::filesystem::perms::owner_all);
  EXPECT_EQ(result.status, 3);
  EXPECT_THAT(result.err, HasSubstr("closed"));
  EXPECT_THAT(changes(result), UnorderedElementsAre(Pair("closed", "metadata")));
}

TEST_F(LiveDiff, IsForDirectoriesThatAreThere) {
  write("file", "f");
  backup();
  EXPECT_EQ(admin({"diff", snapshots_[0], directory_ / "nowhere"}).status, 1);
  EXPECT_NE(admin({"diff", snapshots_[0], path("file")}).status, 0);
  EXPECT_EQ(admin({"diff", "--read-data", snapshots_[0], snapshots_[0]}).status, 2);
}

TEST_F(Diff, ASnapshotIsEqualToItself) {
  write("d/file", "one");
  backup();
  snapshots_.push_back(snapshots_[0]);
  EXPECT_THAT(changes(diff()), IsEmpty());
}

}  // namespace
}  // namespace vgerfs::cli
