#include "repo/key_slot.h"

#include <cstring>

#include "base/error.h"
#include "base/sha256.h"
#include "crypto/mac.h"
#include "repo/limits.h"
#include "repo/message.h"

// The object, as drawn in docs/FORMAT.md section 5.1:
//
//    0 "VGERSLOT"   8 version u16   10 kind   11 cipher   12 memory KiB   16 passes
//   20 bundle len  24 info len      28 zero   32 Argon2 salt (16)
//   48 salt (32)   80 commitment (32)        112 bundle ciphertext ‖ tag   information (envelope)

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::string_view kSlot = "the key slot";
constexpr std::string_view kMagic = "VGERSLOT";
constexpr std::uint16_t kSlotVersion = 1;
constexpr std::uint8_t kSlotCipher = 2;
constexpr std::size_t kSaltOffset = 48;
constexpr std::size_t kCommitmentOffset = 80;
constexpr std::size_t kHeaderBytes = 112;
constexpr crypto::PasswordCost kMinCost{.memory_kib = 64 * 1024, .passes = 3};
constexpr crypto::PasswordCost kMaxCost{.memory_kib = 1024 * 1024, .passes = 20};
constexpr std::string_view kKeyFilePrefix = "vgerfs-key-1:";

using ArgonSalt = std::array<std::byte, 16>;

[[noreturn]] void corrupt(std::string_view what) {
  throw Error{ErrorCode::corrupt, fmt::format("{} {}", kSlot, what)};
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error{ErrorCode::unsupported, fmt::format("{} {}", kSlot, what),
              "it was written by a newer program: update vgerfs"};
}

bool is_allowed(const crypto::PasswordCost& cost) noexcept {
  return cost.memory_kib >= kMinCost.memory_kib && cost.memory_kib <= kMaxCost.memory_kib &&
         cost.passes >= kMinCost.passes && cost.passes <= kMaxCost.passes;
}

struct ParsedSlot {
  SlotKind kind{};
  crypto::PasswordCost cost;
  ArgonSalt argon_salt{};
  ByteView salt;
  ByteView commitment;
  ByteView header;  // all before the bundle
  ByteView bundle;  // ciphertext
  crypto::AeadTag bundle_tag{};
  ByteView info;
};

/// Views into `slot`. Checks all that needs no key.
ParsedSlot parse_slot(ByteView slot) {
  if (slot.size() > kMaxSlotBytes) corrupt("is too large");
  ByteReader reader{slot, kSlot};
  if (text_of(reader.bytes(kMagic.size())) != kMagic) corrupt("does not begin as one");
  const std::uint16_t version = reader.u16();
  if (version == 0) corrupt("has version 0");
  if (version > kSlotVersion) unsupported("has a newer version");
  ParsedSlot parsed;
  const std::uint8_t kind = reader.u8();
  if (kind == 0) corrupt("is of no kind");
  if (kind > static_cast<std::uint8_t>(SlotKind::age)) unsupported("is of an unknown kind");
  parsed.kind = static_cast<SlotKind>(kind);
  if (reader.u8() != kSlotCipher) corrupt("has another cipher than its version allows");
  parsed.cost.memory_kib = reader.u32();
  parsed.cost.passes = reader.u32();
  const std::uint32_t bundle_bytes = reader.u32();
  const std::uint32_t info_bytes = reader.u32();
  if (reader.u32() != 0) corrupt("has bytes that must be zero");
  parsed.argon_salt = reader.array<16>();
  parsed.salt = reader.bytes(32);
  parsed.commitment = reader.bytes(32);
  parsed.header = slot.first(kHeaderBytes);
  if (bundle_bytes <= crypto::kAeadTagBytes) corrupt("has no bundle");
  parsed.bundle = reader.bytes(bundle_bytes - crypto::kAeadTagBytes);
  parsed.bundle_tag = reader.array<crypto::kAeadTagBytes>();
  parsed.info = reader.bytes(info_bytes);
  reader.expect_end();

  switch (parsed.kind) {
    case SlotKind::passphrase:
      if (!is_allowed(parsed.cost))
        corrupt("asks for a cost of its passphrase that is not allowed");
      break;
    case SlotKind::key_file:
      if (parsed.cost.memory_kib != 0 || parsed.cost.passes != 0 ||
          parsed.argon_salt != ArgonSalt{}) {
        corrupt("is for a key file but has parameters for a passphrase");
      }
      break;
    case SlotKind::age: break;
  }
  return parsed;
}

crypto::HkdfPair derive(const crypto::Secret& secret, ByteView salt,
                        const RepositoryId& repository) {
  Bytes info;
  ByteWriter writer{info};
  writer.bytes(bytes_of("vgerfs/1 slot"));
  writer.u8(0);
  writer.bytes(repository.view());
  return crypto::hkdf_pair(secret.view(), salt, info);
}

/// The 32 bytes that a credential gives for a slot.
crypto::Secret secret_of(const Credential& credential, const ArgonSalt& salt,
                         crypto::PasswordCost cost) {
  if (const auto* const passphrase = std::get_if<Passphrase>(&credential)) {
    return crypto::derive_from_password(passphrase->text, salt, cost);
  }
  const crypto::Secret& key = std::get<KeyFile>(credential).key;
  VGERFS_CHECK(key.size() == 32);
  return key.clone();
}

SlotKind kind_of(const Credential& credential) noexcept {
  return std::holds_alternative<Passphrase>(credential) ? SlotKind::passphrase : SlotKind::key_file;
}

/// An envelope of kind slot information.
Bytes seal_info(const proto::KeySlotInfo& info, const EnvelopeKeys& keys, crypto::Cipher cipher,
                crypto::Random& random) {
  const Bytes payload = encode_message(info);
  Bytes envelope(sealed_size(EnvelopeKind::slot_info, 0, payload.size()));
  std::memcpy(envelope.data() + data_offset(EnvelopeKind::slot_info, 0), payload.data(),
              payload.size());
  seal_in_place({.kind = EnvelopeKind::slot_info, .cipher = cipher}, keys, random, {}, envelope);
  return envelope;
}

}  // namespace

Bytes make_slot(const crypto::Secret& bundle, const Credential& credential,
                crypto::PasswordCost cost, const EnvelopeKeys& keys, crypto::Cipher cipher,
                std::int64_t now_s, crypto::Random& random) {
  const SlotKind kind = kind_of(credential);
  ArgonSalt argon_salt{};
  if (kind == SlotKind::passphrase) {
    if (std::get<Passphrase>(credential).text.empty()) {
      throw Error{ErrorCode::usage, "the passphrase is empty"};
    }
    if (!is_allowed(cost)) {
      throw Error{ErrorCode::usage, "this cost for a passphrase is not allowed",
                  "64 to 1024 MiB of memory and 3 to 20 passes are"};
    }
    random.fill(argon_salt);
  } else {
    cost = {.memory_kib = 0, .passes = 0};
  }
  const crypto::Secret secret = secret_of(credential, argon_salt, cost);

  proto::KeySlotInfo info;
  *info.mutable_certificate() = Keyring::from_bundle(bundle.view())->signed_certificate();
  info.set_created_s(now_s);
  info.set_commitment(std::string(sizeof(crypto::Mac), '\0'));
  // The commitment in the information comes from this header, which holds the information's length.
  const std::size_t info_bytes = sealed_size(EnvelopeKind::slot_info, 0, info.ByteSizeLong());

  Bytes slot;
  ByteWriter writer{slot};
  writer.bytes(bytes_of(kMagic));
  writer.u16(kSlotVersion);
  writer.u8(static_cast<std::uint8_t>(kind));
  writer.u8(kSlotCipher);
  writer.u32(cost.memory_kib);
  writer.u32(cost.passes);
  writer.u32(static_cast<std::uint32_t>(bundle.size() + crypto::kAeadTagBytes));
  writer.u32(static_cast<std::uint32_t>(info_bytes));
  writer.u32(0);
  writer.bytes(argon_salt);

  // As in envelopes, the salt depends on what is sealed: equal randomness never meets another
  // bundle under one key.
  const crypto::Mac salt =
      crypto::hmac_sha256(secret.view(), crypto::random_array<32>(random), slot, bundle.view());
  writer.bytes(salt);
  const crypto::HkdfPair derived = derive(secret, salt, keys.repository);
  writer.bytes(derived.second);
  VGERFS_CHECK(slot.size() == kHeaderBytes);

  slot.resize(kHeaderBytes + bundle.size());
  const crypto::AeadTag tag =
      crypto::aead_seal(crypto::Cipher::chacha20poly1305, derived.first.view(), {},
                        ByteView{slot}.first(kHeaderBytes), {}, bundle.view(),
                        MutableBytes{slot}.subspan(kHeaderBytes));
  writer.bytes(tag);
  info.set_commitment(raw_string(derived.second));
  writer.bytes(seal_info(info, keys, cipher, random));
  VGERFS_CHECK(slot.size() == kHeaderBytes + bundle.size() + crypto::kAeadTagBytes + info_bytes);
  if (slot.size() > kMaxSlotBytes) throw Error{ErrorCode::usage, "the key slot would be too large"};
  return slot;
}

std::unique_ptr<Keyring> open_slot(ByteView slot, const Credential& credential,
                                   const RepositoryId& repository) {
  const ParsedSlot parsed = parse_slot(slot);
  if (parsed.kind != kind_of(credential)) return nullptr;
  const crypto::Secret secret = secret_of(credential, parsed.argon_salt, parsed.cost);
  const crypto::HkdfPair derived = derive(secret, parsed.salt, repository);
  if (!crypto::equal(derived.second, parsed.commitment)) return nullptr;

  crypto::Secret bundle{parsed.bundle.size()};
  if (!crypto::aead_open(crypto::Cipher::chacha20poly1305, derived.first.view(), {}, parsed.header,
                         {}, parsed.bundle, parsed.bundle_tag, bundle.mutable_view())) {
    corrupt("is not authentic");
  }
  std::unique_ptr<Keyring> keyring = Keyring::from_bundle(bundle.view());
  if (keyring->repository() != repository) corrupt("holds the keys of another repository");
  return keyring;
}

SlotDescription describe_slot(const SlotId& id, ByteView slot, const Keyring& keyring) {
  if (SlotId{sha256(slot)} != id) corrupt("does not have the content that its name says");
  const ParsedSlot parsed = parse_slot(slot);
  const EnvelopeHeader header = parse_envelope_header(parsed.info, EnvelopeKind::slot_info);
  const EnvelopeOpener opener{header, parsed.info, keyring.envelope_keys(), nullptr};
  Bytes payload(header.data_bytes);
  opener.data(payload);
  proto::KeySlotInfo info;
  decode_message(info, payload, "the slot information");
  if (!crypto::equal(bytes_of(info.commitment()), parsed.commitment)) {
    corrupt("carries the information of another slot");
  }

  SlotDescription description;
  description.id = id;
  description.kind = parsed.kind;
  description.certificate =
      verify_certificate(info.certificate(), keyring.repository(), keyring.root_public_key());
  description.created_s = info.created_s();
  description.cost = parsed.cost;
  return description;
}

std::string format_key_file(const crypto::Secret& key) {
  VGERFS_CHECK(key.size() == 32);
  static constexpr std::string_view kDigits = "0123456789abcdef";
  // Reserved, so that no copy is left behind by growing.
  std::string text;
  text.reserve(kKeyFilePrefix.size() + 2 * key.size() + 1);
  text += kKeyFilePrefix;
  for (const std::byte byte : key.view()) {
    text += kDigits[std::to_integer<unsigned>(byte) >> 4];
    text += kDigits[std::to_integer<unsigned>(byte) & 15U];
  }
  text += '\n';
  return text;
}

KeyFile parse_key_file(std::string_view text) {
  // Editors add line ends of their own.
  while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.remove_suffix(1);
  if (text.substr(0, kKeyFilePrefix.size()) == kKeyFilePrefix) {
    auto bytes = parse_hex(text.substr(kKeyFilePrefix.size()));
    if (bytes && bytes->size() == 32) {
      KeyFile file{crypto::Secret{ByteView{*bytes}}};
      crypto::wipe(*bytes);
      return file;
    }
    if (bytes) crypto::wipe(*bytes);
  }
  throw Error{ErrorCode::usage, "this is not a vgerfs key file",
              "a key file is one line: vgerfs-key-1: and 64 hex digits"};
}

}  // namespace vgerfs::repo
