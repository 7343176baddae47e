#include "server/credential.h"

#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <string>
#include <vector>

#include <gtest/gtest.h>

#include "server/token_store.h"

namespace vgerfs::server {
namespace {

TEST(Credential, TokensAreRandomAndLong) {
  const std::string one = new_token();
  EXPECT_EQ(one.size(), 68U);
  EXPECT_EQ(one.substr(0, 4), "vgt_");
  EXPECT_NE(one, new_token());
}

TEST(Credential, ComesAsBearerOrAsPassword) {
  EXPECT_EQ(presented_token("Bearer abc"), "abc");
  EXPECT_EQ(presented_token("bearer   abc"), "abc");
  EXPECT_EQ(presented_token("Basic dXNlcjpwYXNz"), "pass");
  EXPECT_EQ(presented_token("Basic dTpwOnc="), "p:w") << "only the first colon separates";
  EXPECT_EQ(presented_token("basic OnBhc3M="), "pass") << "no user";
}

TEST(Credential, WhatIsNoneIsNone) {
  for (const std::string_view header :
       {"", "Bearer", "Bearer ", "Basic", "Basic ", "Basic dXNlcg==", "Basic dXNlcjo=", "Basic ***",
        "Digest abc", "Bearerabc", "abc", "Basic dXNl\ncjpw"}) {
    EXPECT_FALSE(presented_token(header)) << header;
  }
}

TEST(Credential, EveryByteOfAHashCounts) {
  const Sha256Digest hash = hash_token("token");
  EXPECT_TRUE(equal_in_constant_time(hash, hash_token("token")));
  for (std::size_t i = 0; i < hash.size(); ++i) {
    Sha256Digest other = hash;
    other[i] ^= std::byte{0x80};
    EXPECT_FALSE(equal_in_constant_time(hash, other)) << i;
  }
}

/// How much longer one takes than the other, at least 1. The median of many pairs: whatever else
/// this machine does slows both of most pairs.
double time_ratio(const std::function<void()>& one, const std::function<void()>& other) {
  const auto time = [](const std::function<void()>& action) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>{std::chrono::steady_clock::now() - begin};
  };
  std::array<double, 201> ratios{};
  for (double& ratio : ratios) {
    const auto first = time(one);
    ratio = first / time(other);
  }
  auto* const median = ratios.begin() + ratios.size() / 2;
  std::nth_element(ratios.begin(), median, ratios.end());
  return std::max(*median, 1 / *median);
}

// Times are tested because they are what an attacker would measure. What ends early takes a tenth
// of the time or less.
constexpr double kSameTime = 2;

TEST(Credential, AComparisonTakesAsLongWhereverTheDifferenceIs) {
  const Sha256Digest hash = hash_token("token");
  const auto compare_with = [&](std::size_t different_byte) {
    Sha256Digest other = hash;
    other[different_byte] ^= std::byte{1};
    return [hash, other] {
      bool equal = false;
      for (int i = 0; i < 1000; ++i) equal = equal || equal_in_constant_time(hash, other);
      EXPECT_FALSE(equal);
    };
  };
  EXPECT_LT(time_ratio(compare_with(0), compare_with(hash.size() - 1)), kSameTime);
}

class TokenTableTest : public ::testing::Test {
 protected:
  static TokenRow row(std::string name, std::string_view token) {
    return {.principal = {.id = 1, .name = std::move(name), .role = Role::append},
            .hash = hash_token(token),
            .created_at = 100};
  }
};

TEST_F(TokenTableTest, FindsTheOwnerOfAToken) {
  const TokenTable table{{row("one", "1"), row("two", "2")}, hash_token("root")};
  EXPECT_EQ(table.find(hash_token("1"), 200)->name, "one");
  EXPECT_EQ(table.find(hash_token("2"), 200)->name, "two");
  EXPECT_EQ(table.find(hash_token("root"), 200)->role, Role::admin);
  EXPECT_FALSE(table.find(hash_token("3"), 200));
  EXPECT_FALSE(table.find(Sha256Digest{}, 200));
}

TEST_F(TokenTableTest, TakesAsLongWhoeverItIs) {
  std::vector<TokenRow> rows;
  for (int i = 0; i < 1000; ++i) rows.push_back(row(std::to_string(i), std::to_string(i)));
  const TokenTable table{rows, hash_token("root")};
  const auto find = [&](std::string_view token, bool is_there) {
    return [&table, hash = hash_token(token), is_there] {
      EXPECT_EQ(table.find(hash, 200).has_value(), is_there);
    };
  };
  EXPECT_LT(time_ratio(find("0", true), find("999", true)), kSameTime);
  EXPECT_LT(time_ratio(find("0", true), find("nobody's", false)), kSameTime);
  EXPECT_LT(time_ratio(find("0", true), find("root", true)), kSameTime);
}

TEST_F(TokenTableTest, TakesAsLongHoweverMuchIsGuessed) {
  const Sha256Digest hash = hash_token("token");
  const auto table_of = [&](std::size_t different_byte) {
    TokenRow other = row("one", "");
    other.hash = hash;
    other.hash[different_byte] ^= std::byte{1};
    return TokenTable{std::vector<TokenRow>(1000, other), std::nullopt};
  };
  const TokenTable first = table_of(0);
  const TokenTable last = table_of(hash.size() - 1);
  EXPECT_LT(time_ratio([&] { EXPECT_FALSE(first.find(hash, 200)); },
                       [&] { EXPECT_FALSE(last.find(hash, 200)); }),
            kSameTime);
}

TEST_F(TokenTableTest, RevokedAndExpiredTokensCountNoMore) {
  auto revoked = row("revoked", "1");
  revoked.revoked_at = 150;
  auto expiring = row("expiring", "2");
  expiring.expires_at = 200;
  const TokenTable table{{revoked, expiring}, std::nullopt};
  EXPECT_FALSE(table.find(hash_token("1"), 100));
  EXPECT_TRUE(table.find(hash_token("2"), 199));
  EXPECT_FALSE(table.find(hash_token("2"), 200));
}

}  // namespace
}  // namespace vgerfs::server
