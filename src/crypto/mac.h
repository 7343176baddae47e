// HMAC-SHA-256, HKDF-SHA-256 (RFC 5869) and SipHash-2-4.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "base/bytes.h"
#include "crypto/secret.h"

namespace vgerfs::crypto {

using Mac = std::array<std::byte, 32>;

/// HMAC-SHA-256 under a key that comes once, of the concatenated parts. Thread-safe.
Mac hmac_sha256(ByteView key, ByteView first, ByteView second = {}, ByteView third = {},
                ByteView fourth = {});

/// HMAC-SHA-256 under one key; each thread does the key schedule once, as long as it uses one key
/// at a time. The parts of the message are concatenated. Thread-safe: contexts are per thread.
class HmacKey {
 public:
  explicit HmacKey(ByteView key);
  ~HmacKey();
  HmacKey(HmacKey&&) noexcept;
  HmacKey& operator=(HmacKey&&) noexcept;

  Mac operator()(ByteView first, ByteView second = {}, ByteView third = {},
                 ByteView fourth = {}) const;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// HKDF extract and expand to 64 bytes, in their halves T1 and T2.
struct HkdfPair {
  TransientKey first;
  Mac second;
};
HkdfPair hkdf_pair(ByteView input_key, ByteView salt, ByteView info);

/// SipHash-2-4 with a 16-byte key, as a little-endian number. Thread-safe.
std::uint64_t siphash(ByteView key16, ByteView message) noexcept;

}  // namespace vgerfs::crypto
