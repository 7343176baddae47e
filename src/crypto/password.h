// Argon2id: a key from a passphrase.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace vgerfs::crypto {

struct PasswordCost {
  std::uint32_t memory_kib = 64 * 1024;
  std::uint32_t passes = 3;
};

/// Argon2id v1.3 with one lane, 32 bytes out. Throws Error{no_space} when memory is not to be had.
/// The caller checks limits.
Secret derive_from_password(const Secret& password, const std::array<std::byte, 16>& salt,
                            PasswordCost cost);

}  // namespace vgerfs::crypto
