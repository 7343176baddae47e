// Random bytes that are the same in every run.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <random>

#include "base/bytes.h"
#include "crypto/random.h"

namespace vgerfs::testing {

/// A stream that a seed determines, or one byte for ever. Thread-safe.
class FixedRandom final : public crypto::Random {
 public:
  explicit FixedRandom(std::uint64_t seed) : engine_(seed) {}
  /// A broken generator: every draw is the same.
  static FixedRandom constant(std::byte value) { return FixedRandom{value}; }

  void fill(MutableBytes out) override;

 private:
  explicit FixedRandom(std::byte value) : constant_(value) {}

  std::mutex mutex_;
  std::mt19937_64 engine_;  // guarded by mutex_
  std::optional<std::byte> constant_;
};

/// `count` bytes that do not compress, determined by a seed.
Bytes random_bytes(std::uint64_t seed, std::size_t count);

}  // namespace vgerfs::testing
