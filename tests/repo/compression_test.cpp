#include "repo/compression.h"

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/random_bytes.h"

namespace vgerfs::repo {
namespace {

Bytes compressed(ByteView plain, int level = 3) {
  Compressor compressor{level};
  Bytes frame(Compressor::bound(plain.size()));
  const std::size_t length = compressor.compress(plain, frame);
  EXPECT_GT(length, 0U);
  frame.resize(length);
  return frame;
}

Bytes decompressed(ByteView frame, std::size_t plain_bytes) {
  Bytes plain(plain_bytes);
  decompress(frame, plain);
  return plain;
}

void expect_corrupt(ByteView frame, std::size_t plain_bytes) {
  try {
    decompressed(frame, plain_bytes);
    ADD_FAILURE() << "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt) << error.what();
  }
}

TEST(Compression, RoundTripsAtEveryLevel) {
  TestRandom random{1};
  const Bytes plain = compressible_bytes(random, 300'000);
  for (int level = 1; level <= 19; ++level) {
    const Bytes frame = compressed(plain, level);
    EXPECT_LT(frame.size(), plain.size() / 2);
    EXPECT_EQ(decompressed(frame, plain.size()), plain);
  }
}

TEST(Compression, OneContextServesManyInputs) {
  TestRandom random{2};
  Compressor compressor{1};
  for (int i = 0; i < 50; ++i) {
    const Bytes plain = i % 3 == 0 ? random_bytes(random, pick(random, 1, 5000))
                                   : compressible_bytes(random, pick(random, 1, 50'000));
    Bytes frame(Compressor::bound(plain.size()));
    frame.resize(compressor.compress(plain, frame));
    ASSERT_EQ(decompressed(frame, plain.size()), plain);
    EXPECT_EQ(compressor.compress(random_bytes(random, 4096), MutableBytes{frame}.first(0)), 0U);
  }
}

TEST(Compression, SaysWhenItDoesNotPay) {
  TestRandom random{3};
  const Bytes plain = random_bytes(random, 256 * 1024);
  Compressor compressor{3};
  Bytes out(plain.size() - plain.size() / 32);
  EXPECT_EQ(compressor.compress(plain, out), 0U);
}

TEST(Compression, SkipsZerosBehindTheFrameAndRejectsOtherBytes) {
  TestRandom random{4};
  const Bytes plain = compressible_bytes(random, 1000);
  Bytes frame = compressed(plain);
  frame.resize(frame.size() + 100);
  EXPECT_EQ(decompressed(frame, plain.size()), plain);
  for (const std::size_t back : {1U, 50U, 100U}) {
    Bytes dirty = frame;
    dirty[dirty.size() - back] = std::byte{1};
    expect_corrupt(dirty, plain.size());
  }
}

TEST(Compression, RejectsAFrameOfAnotherLength) {
  TestRandom random{5};
  const Bytes plain = compressible_bytes(random, 1000);
  const Bytes frame = compressed(plain);
  expect_corrupt(frame, plain.size() - 1);
  expect_corrupt(frame, plain.size() + 1);
  expect_corrupt(frame, 0);
}

TEST(Compression, RejectsTwoFrames) {
  TestRandom random{6};
  const Bytes plain = compressible_bytes(random, 1000);
  Bytes frames = compressed(plain);
  append(frames, compressed(plain));
  expect_corrupt(frames, 2 * plain.size());
  expect_corrupt(frames, plain.size());
}

TEST(Compression, RejectsABombWithoutMemoryForIt) {
  // The output that is given is the bound, whatever the frame claims.
  const Bytes zeros(std::size_t{64} << 20);
  const Bytes frame = compressed(zeros);
  ASSERT_LT(frame.size(), 20'000U);
  expect_corrupt(frame, 4096);
  // One that claims 2^60 bytes and has an empty block.
  const Bytes claims = *parse_hex(
      "28b52ffd"
      "e0"
      "0000000000000010"
      "010000");
  expect_corrupt(claims, 4096);
}

TEST(Compression, RejectsWhatIsNoFrame) {
  expect_corrupt({}, 10);
  expect_corrupt(Bytes(3), 10);
  expect_corrupt(Bytes(100), 10);
  // A skippable frame holds nothing.
  const Bytes skippable = *parse_hex(
      "502a4d18"
      "04000000"
      "00000000");
  expect_corrupt(skippable, 0);
  // Magic of zstd 0.7, which the library would still read.
  expect_corrupt(*parse_hex("27b52ffd"
                            "00000000"),
                 0);
}

TEST(Compression, RejectsEveryTruncationAndSurvivesEveryFlip) {
  TestRandom random{7};
  const Bytes plain = compressible_bytes(random, 400);
  const Bytes frame = compressed(plain);
  for (std::size_t length = 0; length < frame.size(); ++length) {
    expect_corrupt(ByteView{frame}.first(length), plain.size());
  }
  for (std::size_t bit = 0; bit < 8 * frame.size(); ++bit) {
    Bytes flipped = frame;
    flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    try {
      // The frame has no checksum of its own: other bytes of the right number may come out.
      EXPECT_EQ(decompressed(flipped, plain.size()).size(), plain.size());
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
    }
  }
}

TEST(Compression, RefusesLevelsThatDoNotExist) {
  EXPECT_THROW(Compressor{0}, Error);
  EXPECT_THROW(Compressor{20}, Error);
}

TEST(IsZero, SeesEveryByte) {
  EXPECT_TRUE(is_zero({}));
  EXPECT_TRUE(is_zero(Bytes(100)));
  for (std::size_t i = 0; i < 100; ++i) {
    Bytes bytes(100);
    bytes[i] = std::byte{0x80};
    EXPECT_FALSE(is_zero(bytes));
  }
}

}  // namespace
}  // namespace vgerfs::repo
