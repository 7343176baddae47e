#include "base/sha256.h"

#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

struct Vector {
  std::string text;
  const char* digest;
};

/// FIPS 180-2, appendix B, and the empty message.
const Vector kVectors[] = {
    {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
    {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
    {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
     "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1"},
    {std::string(1'000'000, 'a'),
     "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0"},
};

TEST(Sha256, GivesTheKnownDigests) {
  for (const Vector& vector : kVectors) {
    EXPECT_EQ(to_hex(sha256(bytes_of(vector.text))), vector.digest);
  }
}

TEST(Sha256, TakesItsInputInParts) {
  for (const Vector& vector : kVectors) {
    for (const std::size_t step : {1U, 63U, 64U, 65U, 100'000U}) {
      if (vector.text.size() / step > 100'000) continue;
      Sha256 hasher;
      for (std::size_t at = 0; at < vector.text.size(); at += step) {
        hasher.update(bytes_of(std::string_view{vector.text}.substr(at, step)));
      }
      EXPECT_EQ(to_hex(hasher.finish()), vector.digest) << step;
    }
  }
}

TEST(Sha256, StartsAnewAfterFinish) {
  Sha256 hasher;
  hasher.update(bytes_of("something else"));
  hasher.finish();
  hasher.update(bytes_of("abc"));
  EXPECT_EQ(to_hex(hasher.finish()), kVectors[1].digest);
  EXPECT_EQ(to_hex(hasher.finish()), kVectors[0].digest);
}

TEST(Sha256, WorksInManyThreads) {
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([] {
      for (int i = 0; i < 500; ++i) {
        const Vector& vector = kVectors[i % 3];
        ASSERT_EQ(to_hex(sha256(bytes_of(vector.text))), vector.digest);
      }
    });
  }
}

}  // namespace
}  // namespace vgerfs
