#include "repo/maintenance/prefix_set.h"

#include <random>
#include <set>

#include <gtest/gtest.h>

#include "repo/maintenance/chunk_id_set.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

void check_against_model(std::size_t count, std::mt19937_64& random, std::uint64_t mask) {
  const testing::TemporaryDirectory directory;
  PrefixSet set{directory.path()};
  std::set<std::uint64_t> model;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t number = random() & mask;
    set.add(number);
    model.insert(number);
  }
  set.finish();
  EXPECT_EQ(set.size(), model.size());
  for (const std::uint64_t number : model) ASSERT_TRUE(set.contains(number));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t number = random() & mask;
    ASSERT_EQ(set.contains(number), model.contains(number));
    ASSERT_EQ(set.contains(number + 1), model.contains(number + 1));
  }
  EXPECT_EQ(set.contains(0), model.contains(0));
  EXPECT_EQ(set.contains(~std::uint64_t{0}), model.contains(~std::uint64_t{0}));
}

TEST(PrefixSet, AgreesWithASet) {
  std::mt19937_64 random{testing::test_seed()};
  for (const std::size_t count : {0U, 1U, 2U, 17U, 1000U, 50'000U}) {
    check_against_model(count, random, ~std::uint64_t{0});
    check_against_model(count, random, 0xFFF);  // many repeat, and they are not uniform
  }
}

TEST(PrefixSet, MergesRunsThatDoNotFitIntoMemory) {
  const testing::TemporaryDirectory directory;
  PrefixSet set{directory.path()};
  std::mt19937_64 random{7};
  constexpr std::size_t kCount = 20'000'000;
  for (std::size_t i = 0; i < kCount; ++i) set.add(random());
  set.finish();
  EXPECT_EQ(set.size(), kCount);
  random.seed(7);
  for (std::size_t i = 0; i < kCount; ++i) {
    const std::uint64_t number = random();
    if (i % 1000 != 0) continue;
    ASSERT_TRUE(set.contains(number));
    ASSERT_FALSE(set.contains(number + 1));
  }
}

TEST(ChunkIdSet, AgreesWithASet) {
  std::mt19937_64 random{testing::test_seed()};
  ChunkIdSet set;
  std::set<ChunkId> model;
  for (int i = 0; i < 20'000; ++i) {
    std::array<std::byte, 32> bytes{};
    bytes[0] = static_cast<std::byte>(random());  // as one who makes ids collide would choose them
    bytes[9] = static_cast<std::byte>(random());
    const ChunkId id{bytes};
    EXPECT_EQ(set.contains(id), model.contains(id));
    EXPECT_EQ(set.insert(id), model.insert(id).second);
  }
  EXPECT_EQ(set.size(), model.size());
}

}  // namespace
}  // namespace vgerfs::repo
