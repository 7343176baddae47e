// Damages bytes in the ways that storage and attackers do, the same in every run with one seed.
#pragma once

#include <cstdint>
#include <random>

#include "base/bytes.h"

namespace vgerfs::testing {

/// One thread at a time.
class Mutator {
 public:
  explicit Mutator(std::uint64_t seed) : engine_(seed) {}

  /// A copy with one to four changes: bits flipped, bytes set to telling values, runs removed,
  /// repeated, inserted, moved or zeroed, the end cut off or extended. May by chance be the same.
  Bytes mutate(ByteView bytes);

 private:
  std::size_t below(std::size_t bound);
  void change_once(Bytes& bytes);

  std::mt19937_64 engine_;
};

}  // namespace vgerfs::testing
