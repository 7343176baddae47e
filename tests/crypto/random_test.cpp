#include "crypto/random.h"

#include <set>

#include <gtest/gtest.h>

namespace vgerfs::crypto {
namespace {

TEST(SystemRandom, DoesNotRepeatItself) {
  std::set<std::array<std::byte, 16>> seen;
  for (int i = 0; i < 1000; ++i) seen.insert(random_array<16>(system_random()));
  EXPECT_EQ(seen.size(), 1000U);
}

TEST(SystemRandom, FillsEveryByte) {
  // A byte that is never written stays 0 in all 64 draws; by chance that happens once in 2^512.
  std::array<std::byte, 67> seen{};
  for (int i = 0; i < 64; ++i) {
    std::array<std::byte, 67> drawn{};
    system_random().fill(drawn);
    for (std::size_t at = 0; at < seen.size(); ++at) seen[at] |= drawn[at];
  }
  for (const std::byte byte : seen) EXPECT_NE(byte, std::byte{0});
}

TEST(SystemRandom, FillsNothingWithoutComplaint) { system_random().fill({}); }

}  // namespace
}  // namespace vgerfs::crypto
