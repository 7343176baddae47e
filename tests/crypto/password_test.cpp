#include "crypto/password.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include <gtest/gtest.h>

#include "base/error.h"
#include "crypto/vectors.h"

namespace vgerfs::crypto {
namespace {

const auto kSalt = unhex_array<16>("736f6d6573616c743132333435363738");  // "somesalt12345678"

std::string derive(std::string_view text, PasswordCost cost) {
  return to_hex(derive_from_password(Secret{bytes_of(text)}, kSalt, cost).view());
}

// Made with the reference implementation: echo -n password | argon2 somesalt12345678 -id -p 1 -l 32
// -r -t T -k K.
TEST(DeriveFromPassword, AgreesWithTheReferenceImplementation) {
  EXPECT_EQ(derive("password", {.memory_kib = 65536, .passes = 3}),
            "546b74c705111461412224204164aa4d03739825f3d0b90a9061bbcc3af04ff9");
  EXPECT_EQ(derive("password", {.memory_kib = 65536, .passes = 2}),
            "1e6938f511f9d7a88f1c6a4a49d446685ce2e3f58ecf335e07950920a0201dbb");
  EXPECT_EQ(derive("password", {.memory_kib = 8192, .passes = 1}),
            "a4a8f129595673e7f3529c51a49cc840a5a1d6f40a5a605162754e39ccc0f8d6");
}

TEST(DeriveFromPassword, DependsOnPasswordAndSalt) {
  const PasswordCost cheap{.memory_kib = 1024, .passes = 1};
  EXPECT_NE(derive("password", cheap), derive("passwore", cheap));
  EXPECT_NE(derive("", cheap), derive("p", cheap));
  auto salt = kSalt;
  salt[15] ^= std::byte{1};
  EXPECT_NE(derive("password", cheap),
            to_hex(derive_from_password(Secret{bytes_of("password")}, salt, cheap).view()));
}

/// While it lives, this process may map only so many bytes more: without a limit, the kernel might
/// try to serve what the test below asks for.
class AddressSpaceLimit {
 public:
  explicit AddressSpaceLimit(std::uint64_t more_bytes) {
    std::uint64_t pages = 0;
    std::ifstream{"/proc/self/statm"} >> pages;
    ::getrlimit(RLIMIT_AS, &before_);
    rlimit limit = before_;
    limit.rlim_cur = std::min<rlim_t>(
        limit.rlim_cur, pages * static_cast<std::uint64_t>(::getpagesize()) + more_bytes);
    is_set_ = pages != 0 && ::setrlimit(RLIMIT_AS, &limit) == 0;
  }
  ~AddressSpaceLimit() { ::setrlimit(RLIMIT_AS, &before_); }
  AddressSpaceLimit(const AddressSpaceLimit&) = delete;
  AddressSpaceLimit& operator=(const AddressSpaceLimit&) = delete;

  bool is_set() const { return is_set_; }

 private:
  rlimit before_{};
  bool is_set_ = false;
};

TEST(DeriveFromPassword, SaysThatMemoryIsNotToBeHad) {
  const AddressSpaceLimit limit{std::uint64_t{1} << 40};
  ASSERT_TRUE(limit.is_set());
  try {
    derive("password", {.memory_kib = 0xffffffff, .passes = 1});  // 4 TiB
    FAIL() << "derived a key in more memory than there is";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::no_space);
  }
}

}  // namespace
}  // namespace vgerfs::crypto
