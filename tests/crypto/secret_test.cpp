#include "crypto/secret.h"

#include <algorithm>
#include <type_traits>
#include <utility>

#include <gtest/gtest.h>

#include "crypto/vectors.h"

namespace vgerfs::crypto {
namespace {

static_assert(!std::is_copy_constructible_v<Secret> && !std::is_copy_assignable_v<Secret>);
static_assert(!std::is_copy_constructible_v<TransientKey> &&
              !std::is_copy_assignable_v<TransientKey>);

TEST(Secret, BeginsWithZeros) {
  const Secret secret{100};
  EXPECT_EQ(Bytes(secret.view().begin(), secret.view().end()), Bytes(100));
}

TEST(Secret, OfNoBytesIsEmpty) {
  EXPECT_TRUE(Secret{0}.empty());
  EXPECT_TRUE(Secret{ByteView{}}.empty());
  EXPECT_TRUE(Secret{}.clone().empty());
}

TEST(Secret, CloneIsEqualAndIndependent) {
  Secret first{ByteView{counting(33)}};
  const Secret second = first.clone();
  EXPECT_TRUE(equal(first.view(), second.view()));
  first.mutable_view()[5] = std::byte{0xff};
  EXPECT_FALSE(equal(first.view(), second.view()));
  EXPECT_TRUE(equal(second.view(), counting(33)));
}

// What a move leaves behind is the point of these two tests.
// NOLINTBEGIN(bugprone-use-after-move, clang-analyzer-cplusplus.Move)
TEST(Secret, MoveEmptiesTheSource) {
  Secret first{ByteView{counting(8)}};
  Secret second{std::move(first)};
  EXPECT_TRUE(first.empty());
  EXPECT_EQ(second.size(), 8U);
  Secret third{ByteView{counting(3)}};
  third = std::move(second);
  EXPECT_TRUE(second.empty());
  EXPECT_TRUE(equal(third.view(), counting(8)));
  Secret& same = third;
  third = std::move(same);
  EXPECT_TRUE(equal(third.view(), counting(8)));
}

TEST(TransientKey, MoveWipesTheSource) {
  TransientKey first;
  const Bytes bytes = counting(32);
  std::copy(bytes.begin(), bytes.end(), first.mutable_view().begin());
  const TransientKey second{std::move(first)};
  EXPECT_TRUE(equal(second.view(), bytes));
  EXPECT_TRUE(equal(first.view(), Bytes(32)));
}

// NOLINTEND(bugprone-use-after-move, clang-analyzer-cplusplus.Move)

TEST(Equal, ComparesSizeAndEveryByte) {
  const Bytes bytes = counting(40);
  EXPECT_TRUE(equal({}, {}));
  EXPECT_TRUE(equal(bytes, counting(40)));
  EXPECT_FALSE(equal(bytes, counting(39)));
  EXPECT_FALSE(equal(bytes, {}));
  for (std::size_t i = 0; i < bytes.size(); ++i) {
    Bytes other = bytes;
    other[i] ^= std::byte{1};
    EXPECT_FALSE(equal(bytes, other)) << i;
  }
}

TEST(Wipe, LeavesZeros) {
  Bytes bytes = counting(50, 1);
  wipe(bytes);
  EXPECT_EQ(bytes, Bytes(50));
  wipe({});
}

}  // namespace
}  // namespace vgerfs::crypto
