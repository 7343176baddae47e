// Reproducible test data.
#pragma once

#include <cstdint>
#include <cstring>
#include <random>

#include "base/bytes.h"

namespace vgerfs::repo {

using TestRandom = std::mt19937_64;

/// Incompressible bytes, the same for the same state of `random`.
inline Bytes random_bytes(TestRandom& random, std::size_t count) {
  Bytes bytes(count);
  std::size_t at = 0;
  for (; at + 8 <= count; at += 8) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, 8);
  }
  for (; at < count; ++at) bytes[at] = static_cast<std::byte>(random());
  return bytes;
}

/// Text-like bytes that zstd halves at least.
inline Bytes compressible_bytes(TestRandom& random, std::size_t count) {
  Bytes bytes(count);
  for (std::byte& byte : bytes) byte = static_cast<std::byte>('a' + random() % 4);
  return bytes;
}

/// Uniform in [low, high].
inline std::size_t pick(TestRandom& random, std::size_t low, std::size_t high) {
  return std::uniform_int_distribution<std::size_t>{low, high}(random);
}

}  // namespace vgerfs::repo
