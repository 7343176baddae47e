// Random bytes, behind an interface so that a test can fix them and show that no key ever meets two
// contents.
#pragma once

#include <array>

#include "base/bytes.h"

namespace vgerfs::crypto {

/// Thread-safe.
class Random {
 public:
  virtual ~Random() = default;
  virtual void fill(MutableBytes out) = 0;
};

/// The system's generator (libsodium's randombytes).
Random& system_random();

template <std::size_t N>
std::array<std::byte, N> random_array(Random& random) {
  std::array<std::byte, N> out;
  random.fill(out);
  return out;
}

}  // namespace vgerfs::crypto
