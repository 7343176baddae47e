// Authenticated encryption of whole messages: AES-256-GCM and ChaCha20-Poly1305 by OpenSSL.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"

namespace vgerfs::crypto {

/// As stored in headers.
enum class Cipher : std::uint8_t { aes256gcm = 1, chacha20poly1305 = 2 };

inline constexpr std::size_t kAeadKeyBytes = 32;
inline constexpr std::size_t kAeadTagBytes = 16;
using AeadTag = std::array<std::byte, kAeadTagBytes>;
/// 12 bytes. Callers never use one twice under a key.
using AeadNonce = std::array<std::byte, 12>;

/// AES-256-GCM where the CPU has AES instructions, else ChaCha20-Poly1305.
Cipher fastest_cipher() noexcept;

/// Encrypts `plain` into `sealed` (same size; may be the same memory). The associated data is the
/// concatenation of both parts. Thread-safe.
AeadTag aead_seal(Cipher cipher, ByteView key, const AeadNonce& nonce, ByteView associated,
                  ByteView associated2, ByteView plain, MutableBytes sealed);

/// Decrypts `sealed` into `plain` (same size; may be the same memory); false if the tag does not
/// match, `plain` is then wiped. Thread-safe.
[[nodiscard]] bool aead_open(Cipher cipher, ByteView key, const AeadNonce& nonce,
                             ByteView associated, ByteView associated2, ByteView sealed,
                             const AeadTag& tag, MutableBytes plain);

}  // namespace vgerfs::crypto
