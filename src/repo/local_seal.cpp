#include "repo/local_seal.h"

#include "crypto/aead.h"
#include "crypto/mac.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kSaltBytes = 32;
constexpr std::size_t kHeadBytes = 1 + kSaltBytes;
constexpr crypto::AeadNonce kNonce{};  // the key is used once

crypto::TransientKey derive_key(const LocalSealing& sealing, ByteView salt) {
  Bytes info;
  append(info, bytes_of("vgerfs/1 local"));
  info.push_back(std::byte{0});
  append(info, sealing.repository.view());
  return crypto::hkdf_pair(sealing.key, salt, info).first;
}

}  // namespace

Bytes seal_local(const LocalSealing& sealing, ByteView context, ByteView plain,
                 crypto::Random& random) {
  const auto cipher = crypto::fastest_cipher();
  Bytes sealed(plain.size() + kLocalSealBytes);
  sealed[0] = static_cast<std::byte>(cipher);
  // HKDF never uses the local key as an HMAC key, so that the two uses stay apart.
  std::array<std::byte, 8> context_bytes{};
  for (std::size_t i = 0; i < context_bytes.size(); ++i) {
    context_bytes[i] = static_cast<std::byte>(context.size() >> (8 * i));
  }
  const auto drawn = crypto::random_array<32>(random);
  Bytes head;
  append(head, drawn);
  head.push_back(sealed[0]);
  append(head, context_bytes);
  const crypto::Mac salt = crypto::HmacKey{sealing.key}(head, context, plain);
  std::copy(salt.begin(), salt.end(), sealed.begin() + 1);
  const auto key = derive_key(sealing, salt);
  const auto tag =
      crypto::aead_seal(cipher, key.view(), kNonce, ByteView{sealed}.first(kHeadBytes), context,
                        plain, MutableBytes{sealed}.subspan(kHeadBytes, plain.size()));
  std::copy(tag.begin(), tag.end(), sealed.end() - static_cast<std::ptrdiff_t>(tag.size()));
  return sealed;
}

Bytes open_local(const LocalSealing& sealing, ByteView context, ByteView sealed) {
  ByteReader reader{sealed, "a sealed value"};
  const crypto::Cipher cipher{reader.u8()};
  const bool known =
      cipher == crypto::Cipher::aes256gcm || cipher == crypto::Cipher::chacha20poly1305;
  const ByteView salt = reader.bytes(kSaltBytes);
  if (!known || reader.left() < crypto::kAeadTagBytes) {
    throw Error{ErrorCode::corrupt, "a sealed value is damaged"};
  }
  const ByteView ciphertext = reader.bytes(reader.left() - crypto::kAeadTagBytes);
  const auto tag = reader.array<crypto::kAeadTagBytes>();
  Bytes plain(ciphertext.size());
  const auto key = derive_key(sealing, salt);
  if (!crypto::aead_open(cipher, key.view(), kNonce, sealed.first(kHeadBytes), context, ciphertext,
                         tag, plain)) {
    throw Error{ErrorCode::corrupt, "a sealed value is damaged or not of this client"};
  }
  return plain;
}

}  // namespace vgerfs::repo
