// Key slots: one credential's access to the repository's keys (docs/FORMAT.md section 5.1).
#pragma once

#include <memory>
#include <optional>
#include <string>
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

/// A new slot's stored bytes. `bundle` from Keyring::bundle or make_bundle; its certificate goes into the slot information.
Bytes make_slot(const crypto::Secret& bundle, const Credential& credential, crypto::PasswordCost cost,
                const EnvelopeKeys& keys, crypto::Cipher cipher, std::int64_t now_s, crypto::Random& random);

/// The keyring, or nullopt-like null if the credential does not open this slot. Throws corrupt or unsupported.
std::unique_ptr<Keyring> open_slot(ByteView slot, const Credential& credential, const RepositoryId& repository);

/// Slot information. Throws corrupt if it is not authentic.
SlotDescription describe_slot(const SlotId& id, ByteView slot, const Keyring& keyring);

/// Key file text ("vgerfs-key-1:<hex>\n") and back. Throws usage with a hint.
std::string format_key_file(const crypto::Secret& key);
KeyFile parse_key_file(std::string_view text);

}  // namespace vgerfs::repo
