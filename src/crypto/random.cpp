#include "crypto/random.h"

#include <sodium.h>

#include "crypto/sodium.h"

namespace vgerfs::crypto {
namespace {

class SystemRandom final : public Random {
 public:
  SystemRandom() { start_sodium(); }
  void fill(MutableBytes out) override {
    if (!out.empty()) ::randombytes_buf(out.data(), out.size());
  }
};

}  // namespace

Random& system_random() {
  static SystemRandom random;
  return random;
}

}  // namespace vgerfs::crypto
