#include "repo/extents.h"

#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/memory_chunks.h"
#include "repo/message.h"
#include "repo/random_bytes.h"
#include "repo/tree.h"
#include "support/error_of.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using format::proto::ExtentNode;
using vgerfs::testing::code_of;
using Extents = std::vector<Extent>;

constexpr std::uint32_t kMiB = 1 << 20;

ChunkId chunk_id(std::uint64_t number) {
  TestRandom random{number};
  return ChunkId::from_bytes(random_bytes(random, 32));
}

Extent chunk(std::uint64_t number, std::uint64_t bytes, std::uint32_t offset = 0) {
  return {.bytes = bytes, .chunk = chunk_id(number), .chunk_offset = offset};
}

Extent hole(std::uint64_t bytes) { return {.bytes = bytes, .chunk = {}, .chunk_offset = 0}; }

Entry build(MemoryChunks& chunks, const Extents& extents) {
  ExtentListBuilder builder{chunks};
  for (const Extent& extent : extents) builder.add(extent);
  Entry entry;
  entry.set_name("file");
  entry.set_type(EntryType::ENTRY_FILE);
  builder.finish(entry);
  check_entry(entry);
  return entry;
}

Extents read_all(MemoryChunks& chunks, const Entry& entry) {
  Extents extents;
  std::uint64_t end = 0;
  ExtentReader reader{chunks, entry};
  reader.for_each([&](const ExtentReader::Located& located) {
    EXPECT_EQ(located.start, end);
    end += located.extent.bytes;
    extents.push_back(located.extent);
  });
  EXPECT_EQ(end, entry.size());
  return extents;
}

/// Neighbours that never merge: chunks, slices and holes in turn.
Extents random_extents(TestRandom& random, std::size_t count) {
  Extents extents;
  while (extents.size() < count) {
    const bool after_hole = !extents.empty() && !extents.back().chunk;
    switch (random() % 4) {
      case 0:
        if (!after_hole) extents.push_back(hole(pick(random, 1, std::size_t{1} << 33)));
        break;
      case 1: extents.push_back(chunk(random(), pick(random, 1, 1000), 7)); break;
      default: extents.push_back(chunk(random(), pick(random, 1, kMiB))); break;
    }
  }
  return extents;
}

std::uint64_t sum_of(const Extents& extents) {
  std::uint64_t sum = 0;
  for (const Extent& extent : extents) sum += extent.bytes;
  return sum;
}

TEST(Extents, AnEmptyFileHasNone) {
  MemoryChunks chunks;
  const Entry entry = build(chunks, {});
  EXPECT_EQ(entry.size(), 0U);
  EXPECT_EQ(read_all(chunks, entry), Extents{});
  ExtentReader reader{chunks, entry};
  EXPECT_EQ(reader.at(0), std::nullopt);
}

TEST(Extents, RoundTripInAnyNumber) {
  for (const std::size_t count : {1U, 2U, 15U, 16U, 17U, 18U, 100U, 600U, 5000U, 20'000U}) {
    SCOPED_TRACE(count);
    TestRandom random{testing::test_seed() + count};
    MemoryChunks chunks;
    const Extents extents = random_extents(random, count);
    const Entry entry = build(chunks, extents);
    EXPECT_EQ(entry.size(), sum_of(extents));
    EXPECT_EQ(entry.extents_root().empty(), count <= kMaxInlineExtents);
    EXPECT_EQ(entry.extents_size(), count <= kMaxInlineExtents ? static_cast<int>(count) : 0);
    ASSERT_EQ(read_all(chunks, entry), extents);
    EXPECT_EQ(build(chunks, extents).SerializeAsString(), entry.SerializeAsString());
  }
}

TEST(Extents, NodesAreEncodedAsProtobufWouldAndWithinLimits) {
  TestRandom random{1};
  MemoryChunks chunks;
  build(chunks, random_extents(random, 20'000));
  for (const auto& [key, bytes] : chunks.all()) {
    EXPECT_EQ(encode_message(decode_extent_node(bytes)), bytes);
    EXPECT_LE(bytes.size(), kMaxNodeBytes);
  }
}

TEST(Extents, AdjacentHolesAndAdjoiningSlicesMerge) {
  MemoryChunks chunks;
  const Extents merged = {hole(30),         chunk(1, 100),   chunk(1, 100),
                          chunk(2, 50, 10), chunk(2, 5, 70), chunk(3, 5, 75)};
  const Entry entry =
      build(chunks, {hole(10), hole(20), chunk(1, 60), chunk(1, 40, 60), chunk(1, 100),
                     chunk(2, 20, 10), chunk(2, 30, 30), chunk(2, 5, 70), chunk(3, 5, 75)});
  EXPECT_EQ(read_all(chunks, entry), merged);
  EXPECT_EQ(entry.SerializeAsString(), build(chunks, merged).SerializeAsString());
}

TEST(Extents, MergedPiecesDoNotMakeAListLong) {
  MemoryChunks chunks;
  const Entry entry = build(chunks, Extents(1000, hole(kMiB)));
  EXPECT_EQ(entry.extents_size(), 1);
  EXPECT_EQ(entry.size(), std::uint64_t{1000} * kMiB);
}

TEST(Extents, OneChangeInALongListRewritesFewNodes) {
  MemoryChunks chunks;
  Extents extents;
  for (std::uint64_t i = 0; i < 30'000; ++i) extents.push_back(chunk(i, 1000 + i % 7));
  build(chunks, extents);
  EXPECT_GT(chunks.added(), 20U);
  for (const std::size_t at : {0U, 1000U, 15'000U, 29'999U}) {
    Extents changed = extents;
    changed[at] = chunk(1'000'000 + at, 500);
    chunks.reset_counters();
    build(chunks, changed);
    EXPECT_LE(chunks.added(), 4U);
    changed.insert(changed.begin() + static_cast<std::ptrdiff_t>(at), chunk(2'000'000 + at, 9));
    chunks.reset_counters();
    build(chunks, changed);
    EXPECT_LE(chunks.added(), 4U);
  }
}

TEST(Extents, AFileOfOneRepeatedChunkHasSharedNodes) {
  MemoryChunks chunks;
  // Whether or not the chunk's id ends a node, the tree stays low and its nodes are the same ones.
  std::array<std::byte, 32> splitting{};
  splitting[31] = std::byte{1};
  for (const ChunkId& id : {ChunkId{splitting}, chunk_id(1)}) {
    chunks.reset_counters();
    const Extents extents(50'000, Extent{.bytes = 10, .chunk = id, .chunk_offset = 0});
    const Entry entry = build(chunks, extents);
    EXPECT_LE(chunks.added(), 8U);
    EXPECT_EQ(read_all(chunks, entry).size(), extents.size());
  }
}

TEST(Extents, SeekingReadsOneNodePerLevelAndGoingOnNone) {
  TestRandom random{testing::test_seed()};
  MemoryChunks chunks;
  const Extents extents = random_extents(random, 20'000);
  const Entry entry = build(chunks, extents);
  const auto root =
      decode_extent_node(chunks.get(ChunkKind::extents, ChunkId::from_bytes(entry.extents_root())));
  std::vector<std::uint64_t> starts{0};
  for (const Extent& extent : extents) starts.push_back(starts.back() + extent.bytes);
  ExtentReader reader{chunks, entry};
  for (int i = 0; i < 300; ++i) {
    const std::size_t wanted = pick(random, 0, extents.size() - 1);
    const std::uint64_t offset = starts[wanted] + pick(random, 0, extents[wanted].bytes - 1);
    chunks.reset_counters();
    const auto located = reader.at(offset);
    ASSERT_TRUE(located);
    EXPECT_EQ(located->start, starts[wanted]);
    EXPECT_EQ(located->extent, extents[wanted]);
    EXPECT_LE(chunks.gets(), root.level() + 1);
    chunks.reset_counters();
    EXPECT_TRUE(reader.at(starts[wanted]));
    EXPECT_TRUE(reader.at(starts[wanted + 1] - 1));
    EXPECT_EQ(chunks.gets(), 0U);
  }
  EXPECT_EQ(reader.at(entry.size()), std::nullopt);
  EXPECT_EQ(reader.at(~std::uint64_t{0}), std::nullopt);
  chunks.reset_counters();
  read_all(chunks, entry);
  EXPECT_LE(chunks.gets(), chunks.all().size());
}

TEST(Extents, ALostNodeCostsItsPartOnly) {
  MemoryChunks chunks;
  Extents extents;
  for (std::uint64_t i = 0; i < 5000; ++i) extents.push_back(chunk(i, 10));
  const Entry entry = build(chunks, extents);
  const auto root =
      decode_extent_node(chunks.get(ChunkKind::extents, ChunkId::from_bytes(entry.extents_root())));
  ASSERT_EQ(root.level(), 1U);
  ASSERT_GE(root.children_size(), 3);
  chunks.remove(ChunkKind::extents, ChunkId::from_bytes(root.children(1).node()));
  ExtentReader reader{chunks, entry};
  const std::uint64_t begin = root.children(0).bytes();
  EXPECT_TRUE(reader.at(begin - 1));
  EXPECT_EQ(code_of([&] { (void)reader.at(begin); }), ErrorCode::not_found);
  EXPECT_TRUE(reader.at(begin + root.children(1).bytes()));
  EXPECT_TRUE(reader.at(0));
}

TEST(Extents, NewExtentsAreVisitedOnceOverManyFiles) {
  TestRandom random{testing::test_seed()};
  MemoryChunks chunks;
  Extents extents = random_extents(random, 5000);
  const Entry before = build(chunks, extents);
  extents.back() = chunk(1, 1);
  const Entry after = build(chunks, extents);
  ExtentNodeShapes seen;
  Extents visited;
  const auto visit = [&](const Extent& extent) {
    visited.push_back(extent);
    return true;
  };
  for_each_new_extent(chunks, before, seen, visit);
  EXPECT_EQ(visited, read_all(chunks, before));
  EXPECT_EQ(seen.size() + 2,
            chunks.all().size());  // the second file has another root and another leaf
  visited.clear();
  chunks.reset_counters();
  for_each_new_extent(chunks, before, seen, visit);
  EXPECT_EQ(chunks.gets(), 0U);
  EXPECT_EQ(visited, Extents{});
  for_each_new_extent(chunks, after, seen, visit);
  EXPECT_EQ(chunks.gets(), 2U);
  EXPECT_FALSE(visited.empty());
  const Entry few = build(chunks, {chunk(7, 9), hole(5)});
  visited.clear();
  for_each_new_extent(chunks, few, seen, visit);
  EXPECT_EQ(visited, (Extents{chunk(7, 9), hole(5)}));
}

TEST(Extents, NodesWithABadExtentAreVisitedAgain) {
  MemoryChunks chunks;
  Extents extents;
  for (std::uint64_t i = 0; i < 5000; ++i) extents.push_back(chunk(i, 10));
  const Entry entry = build(chunks, extents);
  ExtentNodeShapes good;
  const auto count_bad = [&] {
    std::size_t bad = 0;
    for_each_new_extent(chunks, entry, good, [&](const Extent& extent) {
      if (extent != extents[3000]) return true;
      ++bad;
      return false;
    });
    return bad;
  };
  EXPECT_EQ(count_bad(), 1U);
  chunks.reset_counters();
  EXPECT_EQ(count_bad(), 1U);
  EXPECT_EQ(chunks.gets(), 2U);  // the root and the leaf with it
}

TEST(Extents, ANodeThatFailedIsTriedAgain) {
  MemoryChunks chunks;
  Extents extents;
  for (std::uint64_t i = 0; i < 5000; ++i) extents.push_back(chunk(i, 10));
  const Entry entry = build(chunks, extents);
  const ChunkId root_id = ChunkId::from_bytes(entry.extents_root());
  const auto root = decode_extent_node(chunks.get(ChunkKind::extents, root_id));
  chunks.remove(ChunkKind::extents, ChunkId::from_bytes(root.children(1).node()));
  ExtentNodeShapes seen;
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(code_of([&] {
                for_each_new_extent(chunks, entry, seen, [](const Extent&) { return true; });
              }),
              ErrorCode::not_found);
  }
  EXPECT_FALSE(seen.contains(root_id));
}

TEST(Extents, RefusesWhatTheFormatDoesNotAllow) {
  MemoryChunks chunks;
  ExtentListBuilder builder{chunks};
  const Extent wrong[] = {hole(0),
                          chunk(1, 0),
                          chunk(1, kMaxChunkBytes + 1),
                          chunk(1, 1, kMaxChunkBytes),
                          chunk(1, kMaxChunkBytes, 1),
                          chunk(1, 2, 0xFFFFFFFF),
                          hole(kMaxFileBytes + 1),
                          {.bytes = 1, .chunk = {}, .chunk_offset = 1}};
  for (const Extent& extent : wrong) {
    EXPECT_EQ(code_of([&] { builder.add(extent); }), ErrorCode::usage);
  }
  builder.add(hole(kMaxFileBytes - 5));
  EXPECT_EQ(code_of([&] { builder.add(hole(6)); }), ErrorCode::usage);
  builder.add(chunk(1, 5));
  EXPECT_EQ(builder.bytes(), kMaxFileBytes);
}

class HostileExtents : public ::testing::Test {
 protected:
  ChunkId put(const ExtentNode& node) {
    return chunks_.put(ChunkKind::extents, encode_message(node));
  }

  static ExtentNode leaf(const std::vector<std::uint64_t>& lengths) {
    ExtentNode node;
    for (const std::uint64_t bytes : lengths) node.add_extents()->set_bytes(bytes);
    return node;
  }

  static ExtentNode parent(std::uint32_t level,
                           const std::vector<std::pair<ChunkId, std::uint64_t>>& children) {
    ExtentNode node;
    node.set_level(level);
    for (const auto& [id, bytes] : children) {
      node.add_children()->set_node(id.raw());
      node.mutable_children(node.children_size() - 1)->set_bytes(bytes);
    }
    return node;
  }

  static Entry file(const ChunkId& root, std::uint64_t bytes) {
    Entry entry;
    entry.set_size(bytes);
    entry.set_extents_root(root.raw());
    return entry;
  }

  void expect_corrupt(const ExtentNode& root, std::uint64_t bytes, std::string_view what) {
    const Entry entry = file(put(root), bytes);
    ExtentReader reader{chunks_, entry};
    EXPECT_EQ(code_of([&] { (void)reader.at(0); }), ErrorCode::corrupt) << what;
  }

  MemoryChunks chunks_;
};

TEST_F(HostileExtents, SumsThatOverflowAreCorrupt) {
  constexpr std::uint64_t kHuge = ~std::uint64_t{0};
  expect_corrupt(leaf({kHuge, 11}), 10, "extents wrap around");
  expect_corrupt(leaf({kHuge}), kHuge, "beyond a file's size");
  expect_corrupt(leaf({std::uint64_t{1} << 63}), std::uint64_t{1} << 63, "beyond a file's size");
  const ChunkId ten = put(leaf({10}));
  expect_corrupt(parent(1, {{ten, kHuge}, {ten, 11}}), 10, "children wrap around");
  // Where no length of an entry would give it away.
  const Bytes extents = encode_message(leaf({kHuge, 11}));
  const Bytes children = encode_message(parent(1, {{ten, kHuge}, {ten, 11}}));
  EXPECT_EQ(code_of([&] { decode_extent_node(extents); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { decode_extent_node(children); }), ErrorCode::corrupt);
  expect_corrupt(parent(1, {{ten, std::uint64_t{1} << 63}, {ten, std::uint64_t{1} << 63}}), 0x10,
                 "wrap to zero");
}

TEST_F(HostileExtents, LengthsThatDoNotAgreeAreCorrupt) {
  const ChunkId ten = put(leaf({10}));
  expect_corrupt(leaf({10}), 9, "root longer than the file");
  expect_corrupt(leaf({10}), 11, "root shorter than the file");
  expect_corrupt(parent(1, {{ten, 11}}), 11, "child shorter than said");
  expect_corrupt(parent(1, {{ten, 9}}), 9, "child longer than said");
  expect_corrupt(parent(1, {{ten, 0}, {ten, 10}}), 10, "child of nothing");
  expect_corrupt(leaf({0, 10}), 10, "extent of nothing");
}

TEST_F(HostileExtents, LiesAboutLevelsAreCorrupt) {
  const ChunkId ten = put(leaf({10}));
  const ChunkId one = put(parent(1, {{ten, 10}}));
  expect_corrupt(parent(2, {{ten, 10}}), 10, "a level is left out");
  expect_corrupt(parent(1, {{one, 10}}), 10, "a level repeats");
  expect_corrupt(parent(9, {{one, 10}}), 10, "too high");
  expect_corrupt(parent(0xFFFFFFFF, {{one, 10}}), 10, "far too high");
  expect_corrupt(parent(1, {}), 10, "no children");
  ExtentNode both = parent(1, {{ten, 10}});
  both.add_extents()->set_bytes(10);
  expect_corrupt(both, 20, "extents and children");
  both.set_level(0);
  expect_corrupt(both, 20, "extents and children");
}

TEST_F(HostileExtents, BadIdsAndSlicesAreCorrupt) {
  ExtentNode node = parent(1, {{put(leaf({10})), 10}});
  node.mutable_children(0)->set_node("short");
  expect_corrupt(node, 10, "short id of a child");
  node = leaf({10});
  node.mutable_extents(0)->set_chunk("short");
  expect_corrupt(node, 10, "short id of a chunk");
  node.mutable_extents(0)->set_chunk(std::string(32, 'c'));
  node.mutable_extents(0)->set_chunk_offset(kMaxChunkBytes - 9);
  expect_corrupt(node, 10, "slice outside of any chunk");
  node.mutable_extents(0)->set_bytes(kMaxChunkBytes + 1);
  node.mutable_extents(0)->set_chunk_offset(0);
  expect_corrupt(node, kMaxChunkBytes + 1, "longer than any chunk");
}

TEST_F(HostileExtents, ACycleEndsAtItsLevels) {
  const ChunkId self;
  chunks_.replace(ChunkKind::extents, self, encode_message(parent(3, {{self, 10}})));
  const Entry entry = file(self, 10);
  ExtentReader reader{chunks_, entry};
  EXPECT_EQ(code_of([&] { (void)reader.at(0); }), ErrorCode::corrupt);
  EXPECT_LE(chunks_.gets(), 2U);
}

TEST_F(HostileExtents, SharedNodesCostNoMoreThanTheirLevels) {
  // Eight levels of 180 references to one node below claim 180^8 = 10^18 extents.
  ChunkId id = put(leaf({1}));
  std::uint64_t bytes = 1;
  for (std::uint32_t level = 1; level <= kMaxExtentLevel; ++level) {
    id = put(parent(level, std::vector<std::pair<ChunkId, std::uint64_t>>(180, {id, bytes})));
    bytes *= 180;
  }
  const Entry entry = file(id, bytes);
  ExtentReader reader{chunks_, entry};
  TestRandom random{1};
  for (int i = 0; i < 20; ++i) {
    chunks_.reset_counters();
    const std::uint64_t offset = pick(random, 0, bytes - 1);
    EXPECT_EQ(reader.at(offset)->start, offset);
    EXPECT_LE(chunks_.gets(), kMaxExtentLevel + 1);
  }
  for (const bool is_good : {false, true}) {
    ExtentNodeShapes good;
    std::size_t visited = 0;
    chunks_.reset_counters();
    for_each_new_extent(chunks_, entry, good, [&](const Extent&) {
      ++visited;
      return is_good;
    });
    EXPECT_EQ(visited, 1U);
    EXPECT_EQ(chunks_.gets(), kMaxExtentLevel + 1);
    EXPECT_EQ(good.size(), is_good ? kMaxExtentLevel + 1 : 0U);
  }
}

TEST_F(HostileExtents, LiesAboutNodesThatAreKnownAreCorruptToo) {
  const ChunkId ten = put(leaf({10}));
  const ChunkId one = put(parent(1, {{ten, 10}}));
  ExtentNodeShapes seen;
  const auto visit = [&](const ChunkId& root, std::uint64_t bytes) {
    const Entry entry = file(root, bytes);
    for_each_new_extent(chunks_, entry, seen, [](const Extent&) { return true; });
  };
  visit(one, 10);
  ASSERT_EQ(seen.size(), 2U);
  EXPECT_EQ(code_of([&] { visit(one, 11); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { visit(put(parent(1, {{ten, 9}})), 9); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { visit(put(parent(2, {{ten, 10}})), 10); }), ErrorCode::corrupt);
}

TEST_F(HostileExtents, ManyTinyItemsAndAbsurdSizesAreCorrupt) {
  Bytes many;
  for (int i = 0; i < 500'000; ++i) many.insert(many.end(), {std::byte{0x12}, std::byte{0}});
  EXPECT_EQ(code_of([&] { decode_extent_node(many); }), ErrorCode::corrupt);
  ExtentNode node = leaf(std::vector<std::uint64_t>(kMaxNodeEntries, 1));
  EXPECT_NO_THROW(decode_extent_node(encode_message(node)));
  node.add_extents()->set_bytes(1);
  EXPECT_EQ(code_of([&] { decode_extent_node(encode_message(node)); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([] { decode_extent_node({}); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([] { decode_extent_node(Bytes(kMaxNodeBytes + 1)); }), ErrorCode::corrupt);
}

TEST_F(HostileExtents, AnEntryThatNobodyCheckedIsCorruptToo) {
  Entry entry;
  entry.set_size(10);
  entry.add_extents()->set_bytes(9);
  ExtentReader reader{chunks_, entry};
  EXPECT_EQ(code_of([&] { (void)reader.at(0); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { reader.for_each([](const auto&) {}); }), ErrorCode::corrupt);
  entry.clear_extents();
  entry.set_extents_root("short");
  ExtentReader other{chunks_, entry};
  EXPECT_EQ(code_of([&] { (void)other.at(0); }), ErrorCode::corrupt);
}

TEST_F(HostileExtents, DamagedBytesNeverDoMoreThanThrow) {
  TestRandom random{testing::test_seed()};
  const Entry entry = build(chunks_, random_extents(random, 40));
  const Bytes good = chunks_.get(ChunkKind::extents, ChunkId::from_bytes(entry.extents_root()));
  for (int i = 0; i < 20'000; ++i) {
    Bytes bad = good;
    for (std::size_t flips = pick(random, 1, 4); flips > 0; --flips) {
      bad[pick(random, 0, bad.size() - 1)] = static_cast<std::byte>(random());
    }
    try {
      EXPECT_LE(bytes_of_node(decode_extent_node(bad)), kMaxFileBytes);
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo
