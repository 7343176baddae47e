#include "support/test_seed.h"

#include <cstdio>
#include <cstdlib>
#include <random>
#include <string_view>

namespace vgerfs::testing {
namespace {

std::uint64_t choose_seed() {
  std::uint64_t seed = 0;
  if (const char* text = std::getenv("VGERFS_TEST_SEED"); text != nullptr && *text != '\0') {
    seed = std::strtoull(text, nullptr, 10);
  } else {
    seed = std::random_device{}();
  }
  std::printf("VGERFS_TEST_SEED=%llu\n", static_cast<unsigned long long>(seed));
  std::fflush(stdout);
  return seed;
}

}  // namespace

std::uint64_t test_seed() {
  static const std::uint64_t seed = choose_seed();
  return seed;
}

bool test_size_small() {
  const char* text = std::getenv("VGERFS_TEST_SIZE");
  return text != nullptr && std::string_view{text} == "small";
}

}  // namespace vgerfs::testing
