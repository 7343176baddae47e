// Objects that are one envelope and a signature: index records, snapshots and leases
// (docs/FORMAT.md section 3.3).
#pragma once

#include "base/bytes.h"
#include "crypto/public_key.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "repo/envelope.h"

namespace vgerfs::repo {

/// Largest stored size of a signed kind.
std::size_t max_signed_bytes(EnvelopeKind kind) noexcept;

/// The stored bytes. Throws usage if they would exceed the kind's limit.
Bytes seal_signed(const SealParameters& parameters, const EnvelopeKeys& keys,
                  const crypto::SigningKey& author, crypto::Random& random, ByteView payload);

/// A decrypted payload, and what is needed to check the signature once the payload has said who the
/// author is. Nothing in it counts before that.
struct OpenedObject {
  EnvelopeKind kind{};
  Bytes payload;
  crypto::Signature signature{};
  Bytes signed_message;
};

/// Throws corrupt or unsupported. `data_key` as for EnvelopeOpener.
OpenedObject open_signed(EnvelopeKind kind, ByteView object, const EnvelopeKeys& keys,
                         const crypto::Secret* data_key);

/// Throws corrupt if `author` did not sign the object.
void check_signature(const OpenedObject& object, const crypto::PublicKey& author);

}  // namespace vgerfs::repo
