// Seeds and sizes of randomised tests, printed and settable from outside.
#pragma once

#include <cstdint>

namespace vgerfs::testing {

/// The seed of this run: $VGERFS_TEST_SEED, else a random one. Printed at its first use, so that a
/// failure can be repeated.
std::uint64_t test_seed();

/// $VGERFS_TEST_SIZE is "small": sanitizers are slow.
bool test_size_small();

/// One of both, by test_size_small().
template <class T>
T test_size(T full, T small) {
  return test_size_small() ? small : full;
}

}  // namespace vgerfs::testing
