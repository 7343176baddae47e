#include "repo/exclude.h"

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

std::optional<bool> verdict(std::string_view lines, std::string_view path,
                            bool is_directory = false) {
  Patterns patterns;
  patterns.add_lines(lines);
  return patterns.verdict(path, is_directory);
}

TEST(Patterns, ANameWithoutSlashMatchesAtAnyDepth) {
  EXPECT_EQ(verdict("core", "core"), true);
  EXPECT_EQ(verdict("core", "a/b/core"), true);
  EXPECT_EQ(verdict("core", "a/core/b"), std::nullopt);
}

TEST(Patterns, ASlashBeforeTheEndAnchors) {
  EXPECT_EQ(verdict("/core", "core"), true);
  EXPECT_EQ(verdict("/core", "a/core"), std::nullopt);
  EXPECT_EQ(verdict("a/core", "a/core"), true);
  EXPECT_EQ(verdict("a/core", "b/a/core"), std::nullopt);
}

TEST(Patterns, ATrailingSlashAsksForADirectory) {
  EXPECT_EQ(verdict("cache/", "x/cache", true), true);
  EXPECT_EQ(verdict("cache/", "x/cache", false), std::nullopt);
}

TEST(Patterns, TheLastMatchDecides) {
  EXPECT_EQ(verdict("*.o\n!keep.o", "x/keep.o"), false);
  EXPECT_EQ(verdict("!keep.o\n*.o", "x/keep.o"), true);
}

TEST(Patterns, StarsStopAtSlashesAndDoubleStarsDoNot) {
  EXPECT_EQ(verdict("/a/*/c", "a/b/c"), true);
  EXPECT_EQ(verdict("/a/*/c", "a/b/b/c"), std::nullopt);
  EXPECT_EQ(verdict("a/**/c", "a/c"), true);
  EXPECT_EQ(verdict("a/**/c", "a/b/b/c"), true);
  EXPECT_EQ(verdict("**/c", "c"), true);
  EXPECT_EQ(verdict("a/**", "a/b/c"), true);
  EXPECT_EQ(verdict("a/**", "a"), std::nullopt);
  EXPECT_EQ(verdict("a**/c", "ab/b/c"), std::nullopt);
}

TEST(Patterns, CommentsBlanksAndEscapes) {
  EXPECT_EQ(verdict("#x", "#x"), std::nullopt);
  EXPECT_EQ(verdict("\\#x", "#x"), true);
  EXPECT_EQ(verdict("\\!x", "!x"), true);
  EXPECT_EQ(verdict("x  ", "x"), true);
  EXPECT_EQ(verdict("x\\ ", "x "), true);
  EXPECT_EQ(verdict("x\r\n", "x"), true);
  EXPECT_EQ(verdict("\n   \n", ""), std::nullopt);
  EXPECT_EQ(verdict("x\\", "x"), std::nullopt);
  EXPECT_EQ(verdict("x\\*", "x*"), true);
  EXPECT_EQ(verdict("x\\*", "xy"), std::nullopt);
}

TEST(Patterns, NamesAreBytes) {
  EXPECT_EQ(verdict("\xff?", "d/\xff\xfe"), true);
  EXPECT_EQ(verdict("[\xf0-\xff]", "\xf8"), true);
}

// Without memory of dead ends this takes longer than the universe.
TEST(Patterns, ManyStarsEndSoon) {
  std::string glob;
  for (int i = 0; i < 40; ++i) glob += "a*";
  EXPECT_FALSE(glob_matches(glob + "b", std::string(250, 'a')));
  glob.clear();
  for (int i = 0; i < 6; ++i) glob += "**/a*";
  EXPECT_FALSE(glob_matches(glob + "b", "a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a/a"));
}

// ---- the same question to git ----

class GitOracle : public ::testing::Test {
 protected:
  void SetUp() override {
    if (std::system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "git is not installed";
    ASSERT_EQ(std::system(("git -C " + root_ + " init -q >/dev/null 2>&1").c_str()), 0);
  }
  /// Asks git about all paths at once. What is a directory, git finds out by looking.
  std::set<std::string> ignored_by_git(const std::string& patterns,
                                       const std::vector<std::string>& paths) {
    std::ofstream{root_ + "/.git/info/exclude"} << patterns;
    {
      std::ofstream list{root_ + "/.git/paths"};
      for (const std::string& path : paths) list << path << '\0';
    }
    const std::string command =
        "git -C " + root_ + " check-ignore -z --stdin --no-index <" + root_ + "/.git/paths";
    std::FILE* pipe = ::popen(command.c_str(), "r");
    std::string out;
    char buffer[4096];
    while (const std::size_t count = std::fread(buffer, 1, sizeof buffer, pipe))
      out.append(buffer, count);
    ::pclose(pipe);
    std::set<std::string> ignored;
    for (std::size_t at = 0; at < out.size();) {
      const std::size_t end = out.find('\0', at);
      ignored.insert(out.substr(at, end - at));
      at = end + 1;
    }
    return ignored;
  }

  /// As a walk would: a path below an excluded directory is out.
  bool excluded(const Patterns& patterns, const std::string& path) const {
    for (std::size_t slash = path.find('/'); slash != path.npos;
         slash = path.find('/', slash + 1)) {
      if (patterns.verdict(path.substr(0, slash), true).value_or(false)) return true;
    }
    return patterns.verdict(path, std::filesystem::is_directory(root_ + "/" + path))
        .value_or(false);
  }

  const testing::TemporaryDirectory directory_;
  const std::string& root_ = directory_.path();
};

/// git compares the literal text before the first wildcard by itself, and so takes `**` after it
/// for one at the beginning, against its documentation, which we follow.
bool has_stars_after_text(const std::string& patterns) {
  for (std::size_t at = patterns.find("**"); at != patterns.npos;
       at = patterns.find("**", at + 1)) {
    if (at > 0 && std::string_view{"/\n!*"}.find(patterns[at - 1]) == std::string_view::npos) {
      return true;
    }
  }
  return false;
}

TEST_F(GitOracle, AgreesOnRandomPatterns) {
  std::mt19937_64 random{testing::test_seed()};
  const auto below = [&](std::size_t n) {
    return std::uniform_int_distribution<std::size_t>{0, n - 1}(random);
  };
  const std::vector<std::string> names{"a",  "b",  "ab",  "a.o", "b.o",  "a b", "!a",
                                       "#a", "a]", "[a]", "a-b", "a\\b", "*"};
  std::vector<std::string> paths;
  for (int i = 0; i < 400; ++i) {
    std::string path = names[below(names.size())];
    for (std::size_t depth = below(4); depth > 0; --depth) path += "/" + names[below(names.size())];
    const std::filesystem::path directory = root_ + "/" + path;
    std::filesystem::create_directories(below(3) == 0 ? directory : directory.parent_path());
    paths.push_back(path);
  }
  const std::vector<std::string> parts{
      "a",           "b",           "*",    "**",    "?",     "*.o", "/",   "/",  "/",    "[ab]",
      "[!a]",        "[a-b]",       "\\a",  "\\*",   " ",     "#",   "!",   "]",  "[]a]", "[^b]",
      "[[:alpha:]]", "[[:punct:]]", "[a-]", "[\\]]", "[[:x]", "-",   "**/", "/**"};
  std::size_t matched = 0;
  for (int round = 0; round < 220; ++round) {
    std::string text;
    for (std::size_t lines = 1 + below(3); lines > 0; --lines) {
      if (below(4) == 0) text += "!";
      for (std::size_t count = 1 + below(5); count > 0; --count) text += parts[below(parts.size())];
      text += "\n";
    }
    if (has_stars_after_text(text)) continue;
    Patterns patterns;
    patterns.add_lines(text);
    const auto ignored = ignored_by_git(text, paths);
    matched += ignored.size();
    for (const std::string& path : paths) {
      EXPECT_EQ(excluded(patterns, path), ignored.contains(path))
          << "path " << path << "\npatterns\n"
          << text;
    }
    if (HasFailure()) break;
  }
  EXPECT_GT(matched, 1000U) << "git was asked nothing worth asking";
}

}  // namespace
}  // namespace vgerfs::repo
