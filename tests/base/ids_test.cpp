#include "base/ids.h"

#include <type_traits>
#include <unordered_set>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

const std::string kHex = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

TEST(Id, ParsesExactly64LowerCaseDigits) {
  const auto id = PackId::parse(kHex);
  ASSERT_TRUE(id);
  EXPECT_EQ(id->hex(), kHex);
  EXPECT_EQ(id->short_hex(), "00112233");
  for (const std::string& text :
       {kHex.substr(1), kHex + "0", std::string{}, kHex.substr(0, 63) + "F",
        kHex.substr(0, 63) + "g", kHex.substr(0, 63) + " "}) {
    EXPECT_FALSE(PackId::parse(text)) << text;
  }
}

TEST(Id, TakesExactly32Bytes) {
  const auto id = *ChunkId::parse(kHex);
  EXPECT_EQ(ChunkId::from_bytes(id.view()), id);
  EXPECT_EQ(ChunkId::from_bytes(id.raw()), id);
  for (const std::size_t size : {0U, 31U, 33U}) {
    EXPECT_THROW(ChunkId::from_bytes(std::string(size, 'x')), Error) << size;
  }
}

TEST(Id, OrdersByBytesUnsigned) {
  const auto low = *PackId::parse("7f" + kHex.substr(2));
  const auto high = *PackId::parse("80" + kHex.substr(2));
  EXPECT_LT(low, high);
  EXPECT_LT(PackId{}, low);
  EXPECT_EQ(PackId{}.hex(), std::string(64, '0'));
}

TEST(Id, CanBeHashed) {
  std::unordered_set<PackId> ids{*PackId::parse(kHex), PackId{}, *PackId::parse(kHex)};
  EXPECT_EQ(ids.size(), 2U);
}

TEST(Id, KindsDoNotMix) {
  static_assert(!std::is_convertible_v<PackId, ChunkId>);
  static_assert(!std::is_constructible_v<PackId, ChunkId>);
  static_assert(!std::is_convertible_v<std::array<std::byte, 32>, PackId>);
}

}  // namespace
}  // namespace vgerfs
