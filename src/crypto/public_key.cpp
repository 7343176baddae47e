#include "crypto/public_key.h"

#include <sodium.h>

#include "base/error.h"
#include "crypto/sodium.h"

namespace vgerfs::crypto {

static_assert(sizeof(PublicKey) == crypto_box_PUBLICKEYBYTES);
static_assert(sizeof(PublicKey) == crypto_sign_PUBLICKEYBYTES);
static_assert(sizeof(Signature) == crypto_sign_BYTES);
static_assert(kSealedDataKeyBytes == 32 + crypto_box_SEALBYTES);

BoxKeyPair make_box_key_pair(Random& random) {
  BoxKeyPair pair{{}, Secret{crypto_box_SECRETKEYBYTES}};
  random.fill(pair.secret_key.mutable_view());
  pair.public_key = box_public_key(pair.secret_key);
  return pair;
}

PublicKey box_public_key(const Secret& secret_key) {
  VGERFS_CHECK(secret_key.size() == crypto_box_SECRETKEYBYTES);
  PublicKey key;
  VGERFS_CHECK(::crypto_scalarmult_base(uchars(MutableBytes{key}), uchars(secret_key.view())) == 0);
  return key;
}

SealedDataKey seal_data_key(const Secret& data_key, const PublicKey& recipient) {
  VGERFS_CHECK(data_key.size() == 32);
  start_sodium();
  SealedDataKey sealed;
  if (::crypto_box_seal(uchars(MutableBytes{sealed}), uchars(data_key.view()), data_key.size(),
                        uchars(ByteView{recipient})) != 0) {
    // libsodium refuses points of small order: a session sealed to one could be read by anybody.
    throw Error{ErrorCode::corrupt, "the repository's data public key is not a usable X25519 key"};
  }
  return sealed;
}

std::optional<Secret> open_data_key(const SealedDataKey& sealed, const PublicKey& recipient,
                                    const Secret& secret_key) {
  VGERFS_CHECK(secret_key.size() == crypto_box_SECRETKEYBYTES);
  start_sodium();
  Secret key{32};
  if (::crypto_box_seal_open(uchars(key.mutable_view()), uchars(ByteView{sealed}), sealed.size(),
                             uchars(ByteView{recipient}), uchars(secret_key.view())) != 0) {
    return std::nullopt;
  }
  return key;
}

SigningKey::SigningKey(const Secret& seed) : secret_(crypto_sign_SECRETKEYBYTES) {
  VGERFS_CHECK(seed.size() == crypto_sign_SEEDBYTES);
  VGERFS_CHECK(::crypto_sign_seed_keypair(uchars(MutableBytes{public_key_}),
                                          uchars(secret_.mutable_view()),
                                          uchars(seed.view())) == 0);
}

Signature SigningKey::sign(ByteView message) const {
  VGERFS_CHECK(!secret_.empty());
  Signature signature;
  VGERFS_CHECK(::crypto_sign_detached(uchars(MutableBytes{signature}), nullptr, uchars(message),
                                      message.size(), uchars(secret_.view())) == 0);
  return signature;
}

bool verify(const PublicKey& key, ByteView message, const Signature& signature) noexcept {
  return ::crypto_sign_verify_detached(uchars(ByteView{signature}), uchars(message), message.size(),
                                       uchars(ByteView{key})) == 0;
}

}  // namespace vgerfs::crypto
