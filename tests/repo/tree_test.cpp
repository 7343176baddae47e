#include "repo/tree.h"

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/memory_chunks.h"
#include "repo/message.h"
#include "repo/random_bytes.h"
#include "support/error_of.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::proto::TreeNode;
using vgerfs::testing::code_of;
using Names = std::set<std::string>;

constexpr std::array<std::byte, 16> kSplitKey{std::byte{7}};

Entry file_entry(std::string_view name) {
  Entry entry;
  entry.set_name(name.data(), name.size());
  entry.set_type(EntryType::ENTRY_FILE);
  entry.set_mode(0644);
  entry.set_mtime_s(-5);
  entry.set_mtime_ns(999'999'999);
  return entry;
}

/// Any bytes that may be in a name; often with a common beginning.
std::string random_name(TestRandom& random) {
  std::string name = random() % 2 == 0 ? "report-" : "";
  const std::size_t length = random() % 20 == 0 ? 255 - name.size() : pick(random, 1, 12);
  while (length > 0 && name.size() < length) {
    const char c = static_cast<char>(random());
    if (c != '/' && c != '\0') name += c;
  }
  return name.empty() || name == "." || name == ".." ? "x" : name;
}

Names random_names(TestRandom& random, std::size_t count) {
  Names names;
  while (names.size() < count) names.insert(random_name(random));
  return names;
}

std::string numbered(std::size_t i) { return fmt::format("file-{:08}.txt", i); }

std::optional<ChunkId> build(MemoryChunks& chunks, const Names& names) {
  DirectoryBuilder builder{chunks, kSplitKey};
  for (const std::string& name : names) builder.add(file_entry(name));
  EXPECT_EQ(builder.entries(), names.size());
  return builder.finish();
}

Names read_names(ChunkSource& chunks, std::optional<ChunkId> root) {
  Names names;
  DirectoryReader reader{chunks, root};
  while (const Entry* entry = reader.next()) {
    EXPECT_TRUE(names.empty() || *names.rbegin() < entry->name());
    names.insert(entry->name());
  }
  EXPECT_EQ(reader.next(), nullptr);
  return names;
}

TEST(Tree, AnEmptyDirectoryHasNoNode) {
  MemoryChunks chunks;
  EXPECT_EQ(build(chunks, {}), std::nullopt);
  EXPECT_EQ(chunks.puts(), 0U);
  DirectoryReader reader{chunks, std::nullopt};
  reader.seek_after("a");
  EXPECT_EQ(reader.next(), nullptr);
  EXPECT_EQ(find_entry(chunks, std::nullopt, "a"), std::nullopt);
  EXPECT_EQ(count_entries(chunks, std::nullopt), 0U);
}

TEST(Tree, AnySetOfNamesRoundTrips) {
  for (std::uint64_t seed = 0; seed < 30; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(testing::test_seed() + seed));
    TestRandom random{testing::test_seed() + seed};
    MemoryChunks chunks;
    const Names names = random_names(random, pick(random, 1, seed % 10 == 0 ? 3000 : 300));
    const auto root = build(chunks, names);
    ASSERT_EQ(read_names(chunks, root), names);
    ASSERT_EQ(count_entries(chunks, root), names.size());
    ASSERT_EQ(build(chunks, names), root);
    for (int i = 0; i < 50; ++i) {
      const std::string name = random_name(random);
      const auto entry = find_entry(chunks, root, name);
      ASSERT_EQ(entry.has_value(), names.contains(name));
      if (entry) {
        EXPECT_EQ(entry->name(), name);
      }
    }
  }
}

TEST(Tree, KeepsEveryField) {
  MemoryChunks chunks;
  Entry file = file_entry("a");
  file.set_uid(4'000'000'000);
  file.set_gid(7);
  file.set_user("someone");
  file.set_group("some");
  file.set_ctime_s(std::int64_t{1} << 40);
  file.set_link_group(3);
  file.set_link_count(2);
  file.set_size(10);
  file.add_extents()->set_bytes(10);
  add_xattr(file, chunks, "user.long", Bytes(5000, std::byte{1}));
  add_xattr(file, chunks, "user.short", Bytes(3, std::byte{2}));
  Entry device = file_entry("b");
  device.set_type(EntryType::ENTRY_BLOCK_DEVICE);
  device.set_device_major(8);
  device.set_device_minor(1);
  Entry link = file_entry("c");
  link.set_type(EntryType::ENTRY_SYMLINK);
  link.set_symlink_target("\xff/nowhere");
  Entry directory = file_entry("d");
  directory.set_type(EntryType::ENTRY_DIRECTORY);
  directory.set_subtree(std::string(32, 'x'));
  const Entry entries[] = {file, device, link, directory};
  DirectoryBuilder builder{chunks, kSplitKey};
  for (const Entry& entry : entries) builder.add(entry);
  DirectoryReader reader{chunks, builder.finish()};
  for (const Entry& entry : entries) {
    const Entry* read = reader.next();
    ASSERT_NE(read, nullptr);
    EXPECT_EQ(read->SerializeAsString(), entry.SerializeAsString());
  }
}

TEST(Tree, NodesAreEncodedAsProtobufWould) {
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < 5000; ++i) names.insert(numbered(i));
  build(chunks, names);
  std::set<std::uint32_t> levels;
  for (const auto& [key, bytes] : chunks.all()) {
    const TreeNode node = decode_tree_node(bytes);
    EXPECT_EQ(encode_message(node), bytes);
    levels.insert(node.level());
  }
  EXPECT_EQ(levels, (std::set<std::uint32_t>{0, 1}));
}

TEST(Tree, OneChangeInALargeDirectoryRewritesFewNodes) {
  const std::size_t count = testing::test_size<std::size_t>(100'000, 5'000);
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < count; ++i) names.insert(numbered(2 * i));
  build(chunks, names);
  const std::size_t nodes = chunks.added();
  EXPECT_GT(nodes, count / 400);
  EXPECT_LT(nodes, count / 50);
  TestRandom random{testing::test_seed()};
  const auto expect_few_new_nodes = [&](const Names& changed) {
    chunks.reset_counters();
    const auto root = build(chunks, changed);
    // A path from leaf to root; where a boundary comes or goes, a neighbour on each level.
    EXPECT_LE(chunks.added(), 8U);
    EXPECT_EQ(count_entries(chunks, root), changed.size());
  };
  for (int i = 0; i < testing::test_size(6, 3); ++i) {
    Names changed = names;
    changed.insert(numbered(2 * pick(random, 0, count) + 1));
    expect_few_new_nodes(changed);
    changed = names;
    changed.erase(numbered(2 * pick(random, 0, count - 1)));
    expect_few_new_nodes(changed);
  }
  Names changed = names;
  changed.insert("a");
  expect_few_new_nodes(changed);
}

TEST(Tree, RemovingOneNameRewritesFewNodesWhereverItIs) {
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < 3000; ++i) names.insert(numbered(i));
  build(chunks, names);
  for (std::size_t i = 0; i < 3000; i += testing::test_size<std::size_t>(7, 101)) {
    Names changed = names;
    changed.erase(numbered(i));
    chunks.reset_counters();
    build(chunks, changed);
    ASSERT_LE(chunks.added(), 4U) << i;
  }
}

TEST(Tree, NodesEndBeforeTheyAreTooLarge) {
  MemoryChunks chunks;
  DirectoryBuilder builder{chunks, kSplitKey};
  constexpr std::size_t kEntries = 400;
  for (std::size_t i = 0; i < kEntries; ++i) {
    Entry entry = file_entry(numbered(i));
    for (int x = 0; x < 20; ++x)
      add_xattr(entry, chunks, fmt::format("user.{:02}", x), Bytes(1000));
    builder.add(entry);
  }
  const auto root = builder.finish();
  for (const auto& [key, bytes] : chunks.all()) EXPECT_LE(bytes.size(), std::size_t{256} * 1024);
  EXPECT_GT(chunks.added(), kEntries * 20'000 / (256 * 1024));
  EXPECT_EQ(read_names(chunks, root).size(), kEntries);
}

TEST(Tree, AnEntryLargerThanANodeIsRefused) {
  MemoryChunks chunks;
  DirectoryBuilder builder{chunks, kSplitKey};
  Entry entry = file_entry("a");
  entry.set_user(std::string(300'000, 'u'));
  builder.add(entry);
  entry.set_name("b");
  builder.add(entry);
  entry.set_name("c");
  entry.set_user(std::string(kMaxNodeBytes, 'u'));
  EXPECT_EQ(code_of([&] { builder.add(entry); }), ErrorCode::usage);
}

TEST(Tree, RefusesToBuildWhatItWouldNotRead) {
  MemoryChunks chunks;
  DirectoryBuilder builder{chunks, kSplitKey};
  builder.add(file_entry("m"));
  for (const char* name : {"m", "a", "", ".", "..", "x/y"}) {
    EXPECT_EQ(code_of([&] { builder.add(file_entry(name)); }), ErrorCode::usage) << name;
  }
  EXPECT_EQ(code_of([&] {
              builder.add(file_entry(std::string_view{"x\0y", 3}));
            }),
            ErrorCode::usage);
  EXPECT_EQ(code_of([&] { builder.add(file_entry(std::string(256, 'x'))); }), ErrorCode::usage);
  builder.add(file_entry(std::string(255, 'x')));
}

TEST(Tree, LooksUpInFewNodes) {
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < 40'000; ++i) names.insert(numbered(i));
  const auto root = build(chunks, names);
  const std::uint32_t level = decode_tree_node(chunks.get(ChunkKind::tree, *root)).level();
  for (std::size_t i = 0; i < 40'000; i += 1999) {
    chunks.reset_counters();
    ASSERT_TRUE(find_entry(chunks, root, numbered(i)));
    EXPECT_EQ(chunks.gets(), level + 1);
    EXPECT_FALSE(find_entry(chunks, root, numbered(i) + "x"));
  }
  EXPECT_FALSE(find_entry(chunks, root, ""));
  EXPECT_FALSE(find_entry(chunks, root, "a"));
  EXPECT_FALSE(find_entry(chunks, root, "z"));
  chunks.reset_counters();
  EXPECT_EQ(count_entries(chunks, root), 40'000U);
  EXPECT_EQ(chunks.gets(), 1U);
}

TEST(Tree, SeeksLikeASortedSet) {
  for (const std::size_t count : {1U, 5U, 700U, 5000U}) {
    TestRandom random{testing::test_seed() + count};
    MemoryChunks chunks;
    const Names names = random_names(random, count);
    const std::vector<std::string> sorted{names.begin(), names.end()};
    const auto root = build(chunks, names);
    DirectoryReader reader{chunks, root};
    for (int i = 0; i < 300; ++i) {
      const std::string name =
          random() % 2 == 0 ? random_name(random) : sorted[pick(random, 0, sorted.size() - 1)];
      reader.seek_after(name);
      auto expected = names.upper_bound(name);
      for (std::size_t steps = pick(random, 0, 200); steps > 0; --steps) {
        const Entry* entry = reader.next();
        ASSERT_EQ(entry != nullptr, expected != names.end());
        if (entry == nullptr) break;
        ASSERT_EQ(entry->name(), *expected++);
      }
    }
    reader.seek_after("");
    EXPECT_EQ(reader.next()->name(), sorted.front());
    reader.seek_after(sorted.back());
    EXPECT_EQ(reader.next(), nullptr);
    reader.seek_after("");
    EXPECT_EQ(reader.next()->name(), sorted.front());
  }
}

TEST(Tree, SeekingToTheCurrentPlaceReadsNothing) {
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < 3000; ++i) names.insert(numbered(i));
  const auto root = build(chunks, names);
  chunks.reset_counters();
  DirectoryReader reader{chunks, root};
  std::size_t seen = 0;
  while (const Entry* entry = reader.next()) {
    ++seen;
    reader.seek_after(std::string{entry->name()});
  }
  EXPECT_EQ(seen, names.size());
  EXPECT_LE(chunks.gets(), chunks.all().size());
}

TEST(Tree, GoesOnBehindANodeThatCannotBeRead) {
  MemoryChunks chunks;
  Names names;
  for (std::size_t i = 0; i < 3000; ++i) names.insert(numbered(i));
  const auto root = build(chunks, names);
  const TreeNode top = decode_tree_node(chunks.get(ChunkKind::tree, *root));
  ASSERT_EQ(top.level(), 1U);
  chunks.remove(ChunkKind::tree, ChunkId::from_bytes(top.children(3).node()));
  DirectoryReader reader{chunks, root};
  std::size_t seen = 0;
  std::size_t failures = 0;
  while (true) {
    try {
      if (reader.next() == nullptr) break;
      ++seen;
    } catch (const Error& error) {
      ++failures;
      EXPECT_EQ(error.code(), ErrorCode::not_found);
      EXPECT_NE(error.message().find("tree node"), std::string::npos);
    }
  }
  EXPECT_EQ(failures, 1U);
  EXPECT_EQ(seen, names.size() - top.children(3).entries());
}

TEST(Tree, DropsUnknownFieldsAndRefusesUnknownFeatures) {
  TreeNode node;
  *node.add_entries() = file_entry("a");
  node.mutable_entries(0)
      ->GetReflection()
      ->MutableUnknownFields(node.mutable_entries(0))
      ->AddVarint(99, 1);
  const TreeNode read = decode_tree_node(encode_message(node));
  EXPECT_EQ(read.entries(0).SerializeAsString(), file_entry("a").SerializeAsString());
  node.mutable_features()->add_add(77);
  EXPECT_NO_THROW(decode_tree_node(encode_message(node)));
  node.mutable_features()->add_read(77);
  EXPECT_EQ(code_of([&] { decode_tree_node(encode_message(node)); }), ErrorCode::unsupported);
}

TEST(Xattr, KeepsShortValuesInlineAndLongOnesInChunks) {
  MemoryChunks chunks;
  TestRandom random{1};
  Entry entry = file_entry("a");
  const std::size_t lengths[] = {0, 1, 1024, 1025, 65536};
  std::vector<Bytes> values;
  for (std::size_t i = 0; i < 5; ++i) {
    values.push_back(repo::random_bytes(random, lengths[i]));
    add_xattr(entry, chunks, fmt::format("user.{}", i), values.back());
  }
  check_entry(entry);
  EXPECT_EQ(chunks.added(), 2U);
  for (int i = 0; i < 5; ++i) {
    EXPECT_EQ(xattr_value(entry.xattrs(i), chunks), values[static_cast<std::size_t>(i)]);
  }
  EXPECT_EQ(code_of([&] { add_xattr(entry, chunks, "user.9", Bytes(65537)); }), ErrorCode::usage);
  EXPECT_EQ(code_of([&] { add_xattr(entry, chunks, "", Bytes(1)); }), ErrorCode::usage);
  EXPECT_EQ(entry.xattrs_size(), 5);
}

TEST(Xattr, AsManyAsLinuxAllowsFitIntoANode) {
  MemoryChunks chunks;
  Entry entry = file_entry("a");
  for (std::size_t i = 0; i < 8191; ++i)
    add_xattr(entry, chunks, fmt::format("u.{:05}", i), Bytes(1024));
  DirectoryBuilder builder{chunks, kSplitKey};
  builder.add(entry);
  DirectoryReader reader{chunks, builder.finish()};
  EXPECT_EQ(reader.next()->xattrs_size(), 8191);
}

TEST(Xattr, AHugeChunkIsCorrupt) {
  MemoryChunks chunks;
  format::proto::Xattr xattr;
  xattr.set_value_chunk(chunks.put(ChunkKind::blob, Bytes(65537)).raw());
  EXPECT_EQ(code_of([&] { xattr_value(xattr, chunks); }), ErrorCode::corrupt);
  xattr.set_value_chunk("short");
  EXPECT_EQ(code_of([&] { xattr_value(xattr, chunks); }), ErrorCode::corrupt);
}

}  // namespace
}  // namespace vgerfs::repo
