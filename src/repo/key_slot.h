// Key slots: one credential's access to the repository's keys (docs/FORMAT.md section 5.1).
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <variant>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "repo/certificate.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

struct Passphrase {
  crypto::Secret text;
};
struct KeyFile {
  crypto::Secret key;  // 32 bytes
};
using Credential = std::variant<Passphrase, KeyFile>;

enum class SlotKind : std::uint8_t { passphrase = 1, key_file = 2, age = 3 };

/// What can be told of a slot with K_meta.
struct SlotDescription {
  SlotId id;
  SlotKind kind{};
  Certificate certificate;
  std::int64_t created_s = 0;
  crypto::PasswordCost cost;  // passphrase slots
};

/// A new slot's stored bytes. `bundle` from Keyring::bundle or make_bundle; its certificate goes
/// into the slot information, sealed with `cipher`. `cost` is for passphrases. Throws usage for an
/// empty passphrase, or a cost that readers refuse.
Bytes make_slot(const crypto::Secret& bundle, const Credential& credential,
                crypto::PasswordCost cost, const EnvelopeKeys& keys, crypto::Cipher cipher,
                std::int64_t now_s, crypto::Random& random);

/// The keyring, or null if the credential does not open this slot (another one's, or of another
/// kind). Takes the time and memory of Argon2id for a passphrase. Throws corrupt, unsupported,
/// no_space.
std::unique_ptr<Keyring> open_slot(ByteView slot, const Credential& credential,
                                   const RepositoryId& repository);

/// What the slot information says. Throws corrupt if `slot` does not have this id, or the
/// information is not authentic or about another slot; unsupported.
SlotDescription describe_slot(const SlotId& id, ByteView slot, const Keyring& keyring);

/// Key file text ("vgerfs-key-1:<hex>\n"). The caller wipes it.
std::string format_key_file(const crypto::Secret& key);
/// Throws usage with a hint if this is not such a text.
KeyFile parse_key_file(std::string_view text);

}  // namespace vgerfs::repo
