#include "repo/chunker.h"

#include <algorithm>
#include <bit>
#include <map>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/random_bytes.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kKiB = 1024;
constexpr ChunkerParameters kSmall{4096, 16384, 65536};

GearTable test_gear() {
  TestRandom random{42};
  GearTable gear;
  for (auto& value : gear) value = random();
  return gear;
}

struct Cut {
  std::size_t start = 0;
  std::size_t bytes = 0;
  bool hole = false;
  friend bool operator==(const Cut&, const Cut&) = default;
};
using Cuts = std::vector<Cut>;

// NOLINTNEXTLINE(readability-identifier-naming): GoogleTest's name
void PrintTo(const Cut& cut, std::ostream* out) {
  *out << (cut.hole ? "hole " : "chunk ") << cut.start << "+" << cut.bytes;
}

Cuts cut_whole(const Chunker& chunker, ByteView bytes) {
  Cuts cuts;
  std::size_t at = 0;
  while (const auto piece = chunker.next(bytes.subspan(at), true).bytes) {
    cuts.push_back({at, piece, chunker.next(bytes.subspan(at), true).hole});
    at += piece;
  }
  EXPECT_EQ(at, bytes.size());
  return cuts;
}

/// As a reader of a stream does it: portions of random sizes arrive behind what is not cut yet.
Cuts cut_stream(const Chunker& chunker, ByteView bytes, TestRandom& random, std::size_t portion) {
  Cuts cuts;
  std::size_t at = 0;
  std::size_t arrived = 0;
  while (at < bytes.size()) {
    const bool at_end = arrived == bytes.size();
    const auto piece = chunker.next(bytes.subspan(at, arrived - at), at_end);
    if (piece.bytes == 0) {
      EXPECT_FALSE(at_end);
      EXPECT_LT(arrived - at, chunker.enough_bytes());
      arrived = std::min(bytes.size(), arrived + pick(random, 1, portion));
      continue;
    }
    cuts.push_back({at, piece.bytes, piece.hole});
    at += piece.bytes;
  }
  return cuts;
}

/// FORMAT.md section 6.1, word by word.
Cuts cut_slowly(const ChunkerParameters& parameters, const GearTable& gear, ByteView bytes) {
  Cuts cuts;
  const auto cut_data = [&](std::size_t start, std::size_t stop) {
    while (start < stop) {
      const std::size_t left = stop - start;
      std::size_t length = std::min<std::size_t>(left, parameters.max_bytes);
      if (left > parameters.min_bytes) {
        const int b = std::countr_zero(parameters.average_bytes);
        std::uint64_t fp = 0;
        const std::size_t end = length;
        for (std::size_t i = parameters.min_bytes - 64; i < end; ++i) {
          fp = (fp << 1) + gear[std::to_integer<std::size_t>(bytes[start + i])];
          const int k = i < parameters.average_bytes ? b + 2 : b - 2;
          if (i >= parameters.min_bytes && fp >> (64 - k) == 0) {
            length = i + 1;
            break;
          }
        }
      }
      cuts.push_back({start, length, false});
      start += length;
    }
  };
  std::size_t data = 0;
  for (std::size_t at = 0; at < bytes.size();) {
    std::size_t end = at;
    while (end < bytes.size() && bytes[end] == std::byte{0}) ++end;
    if (end - at >= kHoleBytes) {
      cut_data(data, at);
      while (end - at >= parameters.max_bytes + kHoleBytes) {
        cuts.push_back({at, parameters.max_bytes, true});
        at += parameters.max_bytes;
      }
      cuts.push_back({at, end - at, true});
      data = end;
    }
    at = end + 1;
  }
  cut_data(data, bytes.size());
  return cuts;
}

/// Random data, constant bytes and runs of zeros around the lengths that matter.
Bytes mixed_bytes(TestRandom& random, std::size_t parts) {
  Bytes bytes;
  for (std::size_t i = 0; i < parts; ++i) {
    switch (random() % 6) {
      case 0: append(bytes, random_bytes(random, pick(random, 1, 40 * kKiB))); break;
      case 1: append(bytes, Bytes(pick(random, kHoleBytes - 9, kHoleBytes + 9))); break;
      case 2: append(bytes, Bytes(pick(random, 1, 200 * kKiB))); break;
      case 3: append(bytes, Bytes(pick(random, 1, 3000), std::byte{0x20})); break;
      case 4: append(bytes, Bytes(kHoleBytes - 1 - random() % 2)); break;
      default: append(bytes, random_bytes(random, 1)); break;
    }
  }
  return bytes;
}

TEST(Chunker, CutsAsTheFormatSays) {
  const Chunker chunker{kSmall, test_gear()};
  for (std::uint64_t seed = 0; seed < testing::test_size(60U, 10U); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(testing::test_seed() + seed));
    TestRandom random{testing::test_seed() + seed};
    const Bytes bytes = mixed_bytes(random, 24);
    ASSERT_EQ(cut_whole(chunker, bytes), cut_slowly(kSmall, test_gear(), bytes));
  }
}

TEST(Chunker, CutsRandomDataAsTheFormatSaysWithDefaultSizes) {
  const ChunkerParameters parameters;
  const Chunker chunker{parameters, test_gear()};
  TestRandom random{7};
  const Bytes bytes = random_bytes(random, testing::test_size(24U, 8U) * 1024 * kKiB + 13);
  const Cuts cuts = cut_whole(chunker, bytes);
  EXPECT_EQ(cuts, cut_slowly(parameters, test_gear(), bytes));
  // Normalised chunking keeps the mean a little above the average that is asked for.
  EXPECT_GT(cuts.size(), bytes.size() / (400 * kKiB));
  EXPECT_LT(cuts.size(), bytes.size() / (200 * kKiB));
}

TEST(Chunker, CutsAStreamLikeTheWhole) {
  const Chunker chunker{kSmall, test_gear()};
  for (std::uint64_t seed = 0; seed < testing::test_size(40U, 3U); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(testing::test_seed() + seed));
    TestRandom random{testing::test_seed() + seed};
    const Bytes bytes = mixed_bytes(random, 16);
    const Cuts whole = cut_whole(chunker, bytes);
    ASSERT_EQ(cut_stream(chunker, bytes, random, 100), whole);
    ASSERT_EQ(cut_stream(chunker, bytes, random, 300 * kKiB), whole);
  }
}

TEST(Chunker, KeepsItsBounds) {
  const Chunker chunker{kSmall, test_gear()};
  TestRandom random{3};
  const Bytes bytes = mixed_bytes(random, 200);
  const Cuts cuts = cut_whole(chunker, bytes);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    if (cuts[i].hole) {
      EXPECT_GE(cuts[i].bytes, kHoleBytes);
      continue;
    }
    EXPECT_LE(cuts[i].bytes, kSmall.max_bytes);
    const bool ended_by_something = i + 1 == cuts.size() || cuts[i + 1].hole;
    if (!ended_by_something) {
      EXPECT_GT(cuts[i].bytes, kSmall.min_bytes);
    }
  }
}

TEST(Chunker, OneByteInsertedAtTheHeadChangesFewChunks) {
  const Chunker chunker{ChunkerParameters{}, test_gear()};
  TestRandom random{11};
  const Bytes before = random_bytes(random, 64 * 1024 * kKiB);
  Bytes after{std::byte{'x'}};
  append(after, before);
  std::map<Sha256Digest, int> known;
  for (const Cut& cut : cut_whole(chunker, before)) {
    ++known[sha256(ByteView{before}.subspan(cut.start, cut.bytes))];
  }
  ASSERT_GT(known.size(), 100U);
  std::size_t changed = 0;
  for (const Cut& cut : cut_whole(chunker, after)) {
    changed += known.contains(sha256(ByteView{after}.subspan(cut.start, cut.bytes))) ? 0U : 1U;
  }
  EXPECT_GE(changed, 1U);
  EXPECT_LE(changed, 8U);
}

TEST(Chunker, AChangeAnywhereChangesTheChunksAroundIt) {
  const Chunker chunker{kSmall, test_gear()};
  std::size_t changed_in_all = 0;
  const std::uint64_t rounds = testing::test_size(60U, 10U);
  for (std::uint64_t seed = 0; seed < rounds; ++seed) {
    SCOPED_TRACE("seed " + std::to_string(testing::test_seed() + seed));
    TestRandom random{testing::test_seed() + seed};
    const Bytes before = random_bytes(random, 2048 * kKiB);
    // Bytes are inserted, removed or replaced.
    const std::size_t at = pick(random, 0, before.size() - 200 * kKiB);
    const std::size_t removed = random() % 3 == 0 ? 0 : pick(random, 1, 100 * kKiB);
    const std::size_t added = random() % 3 == 0 ? 0 : pick(random, 1, 100 * kKiB);
    Bytes after{before.begin(), before.begin() + static_cast<std::ptrdiff_t>(at)};
    append(after, random_bytes(random, added));
    append(after, ByteView{before}.subspan(at + removed));

    const Cuts old_cuts = cut_whole(chunker, before);
    const Cuts new_cuts = cut_whole(chunker, after);
    // What ends before the change is cut as it was.
    for (std::size_t i = 0; i < old_cuts.size() && old_cuts[i].start + old_cuts[i].bytes <= at; ++i)
      ASSERT_EQ(old_cuts[i], new_cuts.at(i));
    // Behind it the cuts meet again, and stay together from there.
    std::map<std::size_t, std::size_t> ends;  // of the old, measured from the end
    for (const Cut& cut : old_cuts) ends[before.size() - cut.start] = cut.bytes;
    bool together = false;
    for (const Cut& cut : new_cuts) {
      if (cut.start < at + added) {
        ++changed_in_all;
        continue;
      }
      const auto same = ends.find(after.size() - cut.start);
      together = together || same != ends.end();
      if (together) {
        ASSERT_TRUE(same != ends.end() && same->second == cut.bytes) << cut.start;
      }
      changed_in_all += together ? 0U : 1U;
    }
    changed_in_all -= static_cast<std::size_t>(
        std::count_if(old_cuts.begin(), old_cuts.end(),
                      [&](const Cut& cut) { return cut.start + cut.bytes <= at; }));
    ASSERT_TRUE(together || at + removed + 200 * kKiB > before.size());
  }
  // On the average: what was put in, and three chunks of 20 KiB to meet again.
  EXPECT_LE(changed_in_all, rounds * (100 / 16 + 8));
}

TEST(Chunker, ZeroRunsBecomeHolesExactly) {
  const Chunker chunker{kSmall, test_gear()};
  for (const std::size_t zeros : {kHoleBytes - 1, kHoleBytes, kHoleBytes + 1, 2 * kHoleBytes - 1}) {
    for (const std::size_t before :
         {std::size_t{0}, std::size_t{1}, std::size_t{7}, 5 * kKiB, 63 * kKiB}) {
      for (const std::size_t after : {std::size_t{0}, std::size_t{1}, 5 * kKiB}) {
        Bytes bytes(before, std::byte{1});
        bytes.resize(before + zeros);
        bytes.resize(before + zeros + after, std::byte{1});
        std::size_t hole_bytes = 0;
        std::size_t hole_start = 0;
        for (const Cut& cut : cut_whole(chunker, bytes)) {
          if (!cut.hole) continue;
          if (hole_bytes == 0) hole_start = cut.start;
          hole_bytes += cut.bytes;
        }
        EXPECT_EQ(hole_bytes, zeros < kHoleBytes ? 0U : zeros)
            << before << " " << zeros << " " << after;
        EXPECT_EQ(hole_start, zeros < kHoleBytes ? 0U : before);
      }
    }
  }
}

TEST(Chunker, AllZeroIsOneHoleInPiecesOfMax) {
  const Chunker chunker{kSmall, test_gear()};
  const Bytes bytes(10 * kSmall.max_bytes + 5);
  const Cuts cuts = cut_whole(chunker, bytes);
  for (const Cut& cut : cuts) EXPECT_TRUE(cut.hole);
  EXPECT_EQ(cuts.front().bytes, kSmall.max_bytes);
  TestRandom random{1};
  EXPECT_EQ(cut_stream(chunker, bytes, random, 70000), cuts);
}

TEST(Chunker, AFewZerosAreData) {
  const Chunker chunker{kSmall, test_gear()};
  const Bytes bytes(1000);
  EXPECT_EQ(cut_whole(chunker, bytes), (Cuts{{0, 1000, false}}));
}

TEST(Chunker, ConstantDataIsCutAlike) {
  const Chunker chunker{kSmall, test_gear()};
  for (int value = 1; value < 256; value += testing::test_size(1, 10)) {
    const Bytes bytes(5 * kSmall.max_bytes + 1, static_cast<std::byte>(value));
    const Cuts cuts = cut_whole(chunker, bytes);
    for (std::size_t i = 0; i + 1 < cuts.size(); ++i) {
      ASSERT_FALSE(cuts[i].hole);
      ASSERT_EQ(cuts[i].bytes, cuts[0].bytes);
    }
  }
}

TEST(Chunker, AHoleBehindALongestChunkDoesNotLengthenIt) {
  const Chunker chunker{kSmall, test_gear()};
  std::size_t longest_seen = 0;
  for (int value = 1; value < 256; value += testing::test_size(1, 10)) {
    for (const std::size_t extra : {0U, 1U, 5000U}) {
      Bytes bytes(kSmall.max_bytes + extra, static_cast<std::byte>(value));
      bytes.resize(bytes.size() + kHoleBytes);
      const Cuts cuts = cut_whole(chunker, bytes);
      longest_seen = std::max(longest_seen, cuts.front().bytes);
      ASSERT_EQ(cuts, cut_slowly(kSmall, test_gear(), bytes));
    }
  }
  EXPECT_EQ(longest_seen, kSmall.max_bytes);
}

TEST(Chunker, NoBytesGiveNoPiece) {
  const Chunker chunker{kSmall, test_gear()};
  EXPECT_EQ(chunker.next({}, true).bytes, 0U);
  EXPECT_EQ(chunker.next({}, false).bytes, 0U);
}

TEST(Chunker, DecidesWithEnoughBytes) {
  const Chunker chunker{kSmall, test_gear()};
  for (const std::byte value : {std::byte{0}, std::byte{1}}) {
    const Bytes bytes(chunker.enough_bytes(), value);
    EXPECT_GT(chunker.next(bytes, false).bytes, 0U);
    EXPECT_EQ(chunker.next(ByteView{bytes}.first(4096), false).bytes, 0U);
  }
}

TEST(Chunker, AnotherGearTableCutsElsewhere) {
  GearTable other = test_gear();
  for (auto& value : other) value = ~value * 3;
  TestRandom random{5};
  const Bytes bytes = random_bytes(random, 1024 * kKiB);
  EXPECT_NE(cut_whole(Chunker{kSmall, test_gear()}, bytes),
            cut_whole(Chunker{kSmall, other}, bytes));
}

TEST(Chunker, RefusesSizesOutsideTheFormat) {
  const ChunkerParameters wrong[] = {
      {4095, 16384, 65536},     {4096, 8192, 65536},  {4096, 16385, 65536},
      {16384, 16384, 65536},    {4096, 16384, 16384}, {4096, 16384, (8 << 20) + 1},
      {4096, 8 << 20, 8 << 20},
  };
  for (const auto& parameters : wrong) {
    EXPECT_THROW((Chunker{parameters, test_gear()}), Error)
        << parameters.min_bytes << " " << parameters.average_bytes;
  }
  EXPECT_NO_THROW((Chunker{{4096, 4 << 20, 8 << 20}, test_gear()}));
}

}  // namespace
}  // namespace vgerfs::repo
