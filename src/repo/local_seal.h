// Sealing of what a client keeps on its own disk (tree store, last snapshots), with a key derived
// from its bundle.
//
//     +-------------+-----------+------------------+----------+
//     | cipher (u8) | salt (32) | ciphertext       | tag (16) |
//     +-------------+-----------+------------------+----------+
//
// As in docs/FORMAT.md section 3.2 every value has an AEAD key of its own, HKDF of the local key
// and the salt; the salt is an HMAC of 32 random bytes, the context and the very content. So no key
// ever meets two contents, although the directory may be copied back to an earlier state and a
// random source may repeat itself.
#pragma once

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/random.h"

namespace vgerfs::repo {

inline constexpr std::size_t kLocalSealBytes = 1 + 32 + 16;  // what sealing adds

struct LocalSealing {
  RepositoryId repository;
  ByteView key;  // 32 bytes, see Keyring::local_key; of the caller
};

/// `context` says what the value is and where it belongs; a value opens in its own context only.
Bytes seal_local(const LocalSealing& sealing, ByteView context, ByteView plain,
                 crypto::Random& random);
/// Throws corrupt if the bytes were not sealed by this key for this context.
Bytes open_local(const LocalSealing& sealing, ByteView context, ByteView sealed);

}  // namespace vgerfs::repo
