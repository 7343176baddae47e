#include "repo/maintenance/chunk_table.h"

#include <thread>

#include <gtest/gtest.h>

#include "index_examples.h"
#include "support/fixed_random.h"

namespace vgerfs::repo {
namespace {

using State = ChunkTable::State;
using examples::chunk;

class ChunkTableTest : public ::testing::Test {
 protected:
  testing::FixedRandom random_{1};
  ChunkTable table_{10, random_};
};

TEST_F(ChunkTableTest, KnowsKindAndLengthOfWhatWasAdded) {
  table_.add(chunk(1), ChunkKind::data, 1, false);
  table_.add(chunk(2), ChunkKind::blob, 8 << 20, false);
  EXPECT_EQ(table_.find(chunk(1)).state, State::good);
  EXPECT_EQ(table_.find(chunk(1)).kind, ChunkKind::data);
  EXPECT_EQ(table_.find(chunk(2)).kind, ChunkKind::blob);
  EXPECT_EQ(table_.find(chunk(2)).plain_bytes, 8U << 20);
  EXPECT_EQ(table_.find(chunk(3)).state, State::unknown);
}

TEST_F(ChunkTableTest, AGoodPlaceCountsInWhateverOrderPlacesCome) {
  table_.add(chunk(1), ChunkKind::data, 5, true);
  EXPECT_EQ(table_.find(chunk(1)).state, State::bad);
  table_.add(chunk(1), ChunkKind::data, 7, false);
  table_.add(chunk(1), ChunkKind::data, 9, true);
  EXPECT_EQ(table_.find(chunk(1)).state, State::good);
  EXPECT_EQ(table_.find(chunk(1)).plain_bytes, 7U);
}

TEST_F(ChunkTableTest, GoodPlacesThatDisagreeAreContradicted) {
  table_.add(chunk(1), ChunkKind::data, 5, false);
  table_.add(chunk(1), ChunkKind::data, 5, false);
  EXPECT_EQ(table_.find(chunk(1)).state, State::good);
  table_.add(chunk(1), ChunkKind::data, 6, false);
  EXPECT_EQ(table_.find(chunk(1)).state, State::contradicted);
  table_.add(chunk(2), ChunkKind::data, 5, false);
  table_.add(chunk(2), ChunkKind::tree, 5, false);
  EXPECT_EQ(table_.find(chunk(2)).state, State::contradicted);
}

TEST_F(ChunkTableTest, FlagsAreSetOnceByOneOfManyThreads) {
  for (std::uint64_t i = 0; i < 1000; ++i) table_.add(chunk(i), ChunkKind::tree, 5, false);
  std::atomic<int> first = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 4; ++i) {
      threads.emplace_back([&] {
        for (std::uint64_t k = 0; k < 1000; ++k) {
          first += table_.set(chunk(k), ChunkTable::Flag::visited) ? 1 : 0;
        }
      });
    }
  }
  EXPECT_EQ(first, 1000);
  EXPECT_TRUE(table_.has(chunk(1), ChunkTable::Flag::visited));
  EXPECT_FALSE(table_.has(chunk(1), ChunkTable::Flag::clean));
  EXPECT_FALSE(table_.set(chunk(5000), ChunkTable::Flag::visited)) << "unknown";
  table_.turn_bad(chunk(1));
  EXPECT_EQ(table_.find(chunk(1)).state, State::bad);
  EXPECT_EQ(table_.find(chunk(1)).plain_bytes, 5U);
}

TEST_F(ChunkTableTest, GrowsAndForgetsNothing) {
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    table_.add(chunk(i), ChunkKind::data, static_cast<std::uint32_t>(i), i % 7 == 0);
  }
  EXPECT_EQ(table_.size(), 50'000U);
  for (std::uint64_t i = 0; i < 50'000; ++i) {
    const ChunkTable::Found found = table_.find(chunk(i));
    ASSERT_EQ(found.state, i % 7 == 0 ? State::bad : State::good);
    ASSERT_EQ(found.plain_bytes, i);
  }
  for (std::uint64_t i = 50'000; i < 60'000; ++i) {
    ASSERT_EQ(table_.find(chunk(i)).state, State::unknown);
  }
}

TEST_F(ChunkTableTest, TakesFifteenBytesPerChunk) {
  constexpr std::uint64_t kChunks = 1'000'000;
  ChunkTable table{kChunks, random_};
  ChunkId id;
  for (std::uint64_t i = 0; i < kChunks; ++i) {
    std::array<std::byte, ChunkId::kSize> bytes{};
    std::memcpy(bytes.data(), &i, sizeof i);
    table.add(ChunkId{bytes}, ChunkKind::data, 1, false);
  }
  EXPECT_EQ(table.size(), kChunks);
  EXPECT_LT(table.memory_bytes(), 15 * kChunks) << "it must not have grown";
}

}  // namespace
}  // namespace vgerfs::repo
