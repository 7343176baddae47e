#include "support/fixed_random.h"

#include <algorithm>
#include <cstring>

namespace vgerfs::testing {
namespace {

void fill_from(std::mt19937_64& engine, MutableBytes out) {
  while (!out.empty()) {
    const std::uint64_t word = engine();
    const std::size_t count = std::min(out.size(), sizeof word);
    std::memcpy(out.data(), &word, count);
    out = out.subspan(count);
  }
}

}  // namespace

void FixedRandom::fill(MutableBytes out) {
  if (constant_) {
    std::fill(out.begin(), out.end(), *constant_);
    return;
  }
  const std::lock_guard lock{mutex_};
  fill_from(engine_, out);
}

Bytes random_bytes(std::uint64_t seed, std::size_t count) {
  std::mt19937_64 engine{seed};
  Bytes bytes(count);
  fill_from(engine, bytes);
  return bytes;
}

}  // namespace vgerfs::testing
