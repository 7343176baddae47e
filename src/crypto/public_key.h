// X25519 sealed boxes and Ed25519 signatures (libsodium).
#pragma once

#include <array>
#include <optional>

#include "base/bytes.h"
#include "crypto/random.h"
#include "crypto/secret.h"

namespace vgerfs::crypto {

using PublicKey = std::array<std::byte, 32>;
using Signature = std::array<std::byte, 64>;
inline constexpr std::size_t kSealedDataKeyBytes = 80;  ///< 32 bytes + crypto_box_SEALBYTES
using SealedDataKey = std::array<std::byte, kSealedDataKeyBytes>;

struct BoxKeyPair {
  PublicKey public_key;
  Secret secret_key;  // 32 bytes
};
BoxKeyPair make_box_key_pair(Random& random);
/// The public half of a secret key.
PublicKey box_public_key(const Secret& secret_key);

/// crypto_box_seal of 32 bytes. (libsodium draws the ephemeral key itself.)
SealedDataKey seal_data_key(const Secret& data_key, const PublicKey& recipient);
/// nullopt if it was not sealed for this pair.
std::optional<Secret> open_data_key(const SealedDataKey& sealed, const PublicKey& recipient,
                                    const Secret& secret_key);

/// An Ed25519 key made from a 32-byte seed. Thread-safe.
class SigningKey {
 public:
  explicit SigningKey(const Secret& seed);
  const PublicKey& public_key() const noexcept { return public_key_; }
  Signature sign(ByteView message) const;

 private:
  PublicKey public_key_{};
  Secret secret_;  // 64 bytes
};

[[nodiscard]] bool verify(const PublicKey& key, ByteView message,
                          const Signature& signature) noexcept;

}  // namespace vgerfs::crypto
