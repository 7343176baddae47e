// SHA-256 of object bytes: names every object. OpenSSL does the work.
#pragma once

#include <array>
#include <memory>

#include "base/bytes.h"

namespace vgerfs {

using Sha256Digest = std::array<std::byte, 32>;

/// One-shot digest. Thread-safe.
Sha256Digest sha256(ByteView bytes);

/// Incremental digest; one thread at a time.
class Sha256 {
 public:
  Sha256();
  ~Sha256();
  Sha256(Sha256&&) noexcept;
  Sha256& operator=(Sha256&&) noexcept;

  void update(ByteView bytes);
  /// The digest; the object starts anew afterwards.
  Sha256Digest finish();

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace vgerfs
