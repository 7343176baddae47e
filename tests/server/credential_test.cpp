#include "server/credential.h"

#include <string>

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
