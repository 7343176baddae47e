#include "crypto/sodium.h"

#include <sodium.h>

#include "base/error.h"

namespace vgerfs::crypto {

void start_sodium() noexcept {
  // 0: done now, 1: somebody did it before.
  static const bool ready = ::sodium_init() >= 0;
  VGERFS_CHECK(ready);
}

}  // namespace vgerfs::crypto
