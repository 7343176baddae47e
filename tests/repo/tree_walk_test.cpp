#include "repo/tree_walk.h"

#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/memory_chunks.h"
#include "repo/node_walk.h"

namespace vgerfs::repo {
namespace {

constexpr std::array<std::byte, 16> kZeroSplitKey{};

Entry file(const std::string& name) {
  Entry entry;
  entry.set_name(name);
  entry.set_type(EntryType::ENTRY_FILE);
  return entry;
}

Entry directory(MemoryChunks& chunks, const std::string& name, const std::vector<Entry>& entries) {
  Entry entry;
  entry.set_name(name);
  entry.set_type(EntryType::ENTRY_DIRECTORY);
  DirectoryBuilder builder{chunks, kZeroSplitKey};
  for (const Entry& each : entries) builder.add(each);
  if (const auto root = builder.finish()) entry.set_subtree(root->raw());
  return entry;
}

std::vector<std::string> paths(ChunkSource& source, const Entry& root,
                               const std::string& start = {}) {
  std::vector<std::string> found;
  for_each_entry(source, root, start, [&](const std::string& path, const Entry&) {
    found.push_back(path);
    return WalkStep::go_on;
  });
  return found;
}

class Walks : public ::testing::Test {
 protected:
  MemoryChunks chunks_;
  const Entry root_ =
      directory(chunks_, "",
                {directory(chunks_, "a", {file("1"), directory(chunks_, "b", {file("2")})}),
                 directory(chunks_, "empty", {}), file("z")});
};

TEST_F(Walks, GoInOrderOfNamesParentsFirst) {
  EXPECT_EQ(paths(chunks_, root_),
            (std::vector<std::string>{"a", "a/1", "a/b", "a/b/2", "empty", "z"}));
  EXPECT_EQ(paths(chunks_, root_, "x/y").front(), "x/y/a");
}

TEST_F(Walks, SkipAndStopAsTold) {
  std::vector<std::string> found;
  for_each_entry(chunks_, root_, "", [&](const std::string& path, const Entry&) {
    found.push_back(path);
    return path == "a" ? WalkStep::skip : path == "empty" ? WalkStep::stop : WalkStep::go_on;
  });
  EXPECT_EQ(found, (std::vector<std::string>{"a", "empty"}));
}

TEST_F(Walks, TellWhenADirectoryIsLeft) {
  std::vector<std::string> left;
  TreeWalk walk{chunks_, root_, ""};
  for (auto event = walk.next(); event != TreeWalk::Event::end; event = walk.next()) {
    if (event == TreeWalk::Event::leave) left.push_back(walk.path());
    if (event == TreeWalk::Event::entry && walk.entry().type() == EntryType::ENTRY_DIRECTORY)
      walk.enter();
  }
  EXPECT_EQ(left, (std::vector<std::string>{"a/b", "a", "empty"}));
}

TEST_F(Walks, GoOnBehindADirectoryThatCannotBeRead) {
  const auto a = find_path(chunks_, root_, "a");
  chunks_.remove(ChunkKind::tree, *subtree_of(*a));
  TreeWalk walk{chunks_, root_, ""};
  std::vector<std::string> found;
  int failures = 0;
  for (;;) {
    try {
      const auto event = walk.next();
      if (event == TreeWalk::Event::end) break;
      if (event != TreeWalk::Event::entry) continue;
      found.push_back(walk.path());
      if (walk.entry().type() == EntryType::ENTRY_DIRECTORY) walk.enter();
    } catch (const Error& error) {
      ASSERT_LT(++failures, 10) << error.what();
      EXPECT_NE(error.message().find("'a'"), std::string::npos) << error.what();
    }
  }
  EXPECT_EQ(failures, 1);
  EXPECT_EQ(found, (std::vector<std::string>{"a", "empty", "z"}));
}

TEST_F(Walks, FindAPathOrNothing) {
  EXPECT_EQ(find_path(chunks_, root_, "")->SerializeAsString(), root_.SerializeAsString());
  EXPECT_EQ(find_path(chunks_, root_, "a/b/2")->name(), "2");
  EXPECT_EQ(find_path(chunks_, root_, "/a//b/")->name(), "b");
  EXPECT_FALSE(find_path(chunks_, root_, "a/x"));
  EXPECT_FALSE(find_path(chunks_, root_, "z/x"));
}

TEST(TreeWalk, ReadsADeepTreeInBoundedMemoryAndOrder) {
  MemoryChunks chunks;
  Entry at = directory(chunks, "bottom", {file("x")});
  constexpr int kDepth = 3000;
  for (int i = 0; i < kDepth; ++i) at = directory(chunks, "d", {file("a"), at, file("z")});
  Entry root = directory(chunks, "", {at});
  const auto found = paths(chunks, root);
  EXPECT_EQ(found.size(), 3U * kDepth + 2);
  EXPECT_EQ(found.back(), "d/z");
}

TEST(TreeWalk, LimitsHoldWhateverTheTreeSays) {
  MemoryChunks chunks;
  // Thirty levels of a directory that holds the level below twice: 2^30 entries in 30 chunks.
  Entry at = directory(chunks, "d", {file("x")});
  for (int i = 0; i < 30; ++i) {
    Entry twin = at;
    twin.set_name("e");
    at = directory(chunks, "d", {at, twin});
  }
  const Entry root = directory(chunks, "", {at});
  const auto all = [](const std::string&, const Entry&) { return WalkStep::go_on; };
  const auto code = [&](const WalkLimits& limits) {
    try {
      for_each_entry(chunks, root, "", all, limits);
    } catch (const Error& error) {
      return error.code();
    }
    return ErrorCode::io;
  };
  EXPECT_EQ(code({.entries = 10'000}), ErrorCode::corrupt);
  EXPECT_EQ(code({.depth = 20}), ErrorCode::corrupt);

  // What needs no paths visits each node once.
  std::set<ChunkId> met;
  for_each_metadata_chunk(chunks, root,
                          [&](ChunkKind, const ChunkId& id) { return met.insert(id).second; });
  EXPECT_EQ(met.size(), 32U);
}

}  // namespace
}  // namespace vgerfs::repo
