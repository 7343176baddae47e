#include "fs/ingest_segments.h"

#include <random>

#include <gtest/gtest.h>

#include "support/test_seed.h"

namespace vgerfs::fs {
namespace {

Segment chunk(std::uint64_t bytes, std::byte name = std::byte{1}, std::uint32_t offset = 0) {
  std::array<std::byte, 32> id{};
  id[0] = name;
  return {.bytes = bytes,
          .kind = SegmentKind::chunk,
          .epoch = 1,
          .chunk_offset = offset,
          .chunk = ChunkId{id}};
}

std::vector<std::pair<std::uint64_t, Segment>> list(const SegmentMap& map) {
  std::vector<std::pair<std::uint64_t, Segment>> out;
  map.visit(0, map.bytes(), [&](std::uint64_t start, const Segment& segment) {
    out.emplace_back(start, segment);
    return true;
  });
  return out;
}

TEST(SegmentMap, SplitsAChunkThatIsOverwrittenInTheMiddle) {
  SegmentMap map;
  map.replace(0, chunk(100));
  map.replace(40, chunk(20, std::byte{2}));
  const auto segments = list(map);
  ASSERT_EQ(segments.size(), 3U);
  EXPECT_EQ(segments[2].first, 60U);
  EXPECT_EQ(segments[2].second.bytes, 40U);
  EXPECT_EQ(segments[2].second.chunk_offset, 60U);
  EXPECT_EQ(map.bytes(), 100U);
}

TEST(SegmentMap, FillsTheGapBehindTheEndWithAHole) {
  SegmentMap map;
  map.replace(50, chunk(10));
  EXPECT_EQ(map.bytes(), 60U);
  EXPECT_EQ(map.hole_bytes(), 50U);
  map.truncate(100);
  EXPECT_EQ(map.hole_bytes(), 90U);
  map.truncate(20);
  EXPECT_EQ(map.hole_bytes(), 20U);
  EXPECT_EQ(map.count(), 1U);
}

TEST(SegmentMap, MergesWhatBelongsTogether) {
  SegmentMap map;
  map.replace(0, chunk(100));
  map.replace(40, chunk(20, std::byte{2}));
  map.replace(40, chunk(20, std::byte{1}, 40));
  EXPECT_EQ(map.count(), 1U);
  map.replace(10, Segment::hole(10));
  map.replace(20, Segment::hole(10));
  EXPECT_EQ(map.count(), 3U);
}

TEST(SegmentMap, AgreesWithAnArrayOfBytes) {
  std::mt19937_64 random{testing::test_seed()};
  SegmentMap map;
  // Each byte of the model: which chunk and which offset in it; 0 is a hole.
  std::vector<std::pair<int, std::uint64_t>> model;
  for (int step = 0; step < 2000; ++step) {
    const std::uint64_t start = random() % 300;
    const std::uint64_t bytes = 1 + random() % 60;
    if (random() % 8 == 0) {
      map.truncate(start);
      model.resize(start);
    } else {
      const int name = static_cast<int>(random() % 4);
      if (model.size() < start + bytes) model.resize(start + bytes);
      for (std::uint64_t i = 0; i < bytes; ++i) model[start + i] = {name, name == 0 ? 0 : i + 7};
      map.replace(start,
                  name == 0 ? Segment::hole(bytes) : chunk(bytes, static_cast<std::byte>(name), 7));
    }
    ASSERT_EQ(map.bytes(), model.size());
    std::uint64_t at = 0;
    std::uint64_t holes = 0;
    map.visit(0, map.bytes(), [&](std::uint64_t where, const Segment& segment) {
      EXPECT_EQ(where, at);
      for (std::uint64_t i = 0; i < segment.bytes; ++i, ++at) {
        const int name =
            segment.kind == SegmentKind::hole ? 0 : std::to_integer<int>(segment.chunk.bytes()[0]);
        EXPECT_EQ(model[at].first, name) << "byte " << at;
        if (name != 0) {
          EXPECT_EQ(model[at].second, segment.chunk_offset + i);
        }
        if (name == 0) ++holes;
      }
      return true;
    });
    ASSERT_EQ(at, model.size());
    ASSERT_EQ(holes, map.hole_bytes());
    if (::testing::Test::HasFailure()) FAIL() << "in step " << step;
  }
}

TEST(RangeSet, MergesWhatTouches) {
  RangeSet set;
  set.add(10, 20);
  set.add(30, 40);
  set.add(20, 30);
  set.add(5, 5);
  EXPECT_EQ(set.list(), (std::vector<RangeSet::Range>{{10, 40}}));
  set.add(0, 3);
  set.add(2, 12);
  EXPECT_EQ(set.list(), (std::vector<RangeSet::Range>{{0, 40}}));
}

}  // namespace
}  // namespace vgerfs::fs
