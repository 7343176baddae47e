#include "crypto/password.h"

#include <sodium.h>

#include "base/error.h"
#include "crypto/sodium.h"

namespace vgerfs::crypto {

Secret derive_from_password(const Secret& password, const std::array<std::byte, 16>& salt,
                            PasswordCost cost) {
  static_assert(crypto_pwhash_argon2id_SALTBYTES == 16);
  start_sodium();
  VGERFS_CHECK(cost.passes >= crypto_pwhash_argon2id_OPSLIMIT_MIN);
  VGERFS_CHECK(std::size_t{cost.memory_kib} * 1024 >= crypto_pwhash_argon2id_MEMLIMIT_MIN);

  Secret key{32};
  // libsodium wants a pointer even for no bytes.
  const std::string_view text = password.empty() ? std::string_view{""} : text_of(password.view());
  const int failed = ::crypto_pwhash_argon2id(
      uchars(key.mutable_view()), key.size(), text.data(), text.size(), uchars(ByteView{salt}),
      cost.passes, std::size_t{cost.memory_kib} * 1024, crypto_pwhash_argon2id_ALG_ARGON2ID13);
  if (failed != 0) {
    throw Error{
        ErrorCode::no_space,
        fmt::format("there is not enough memory to derive a key from the passphrase ({} MiB)",
                    cost.memory_kib / 1024)};
  }
  return key;
}

}  // namespace vgerfs::crypto
