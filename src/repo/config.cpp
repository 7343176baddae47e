#include "repo/config.h"

#include <bit>

#include "base/error.h"
#include "format/config.pb.h"
#include "repo/envelope.h"
#include "repo/limits.h"
#include "repo/message.h"

// The object, as drawn in docs/FORMAT.md section 4:
//
//   0 "VGERCONF"   8 version u16   10 zero u16   12 length u32   16 Config (length)   signature
//   (64)

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::string_view kWhat = "the object config";
constexpr std::string_view kMagic = "VGERCONF";
constexpr std::uint16_t kVersion = 1;
constexpr std::size_t kHeaderBytes = 16;
constexpr std::size_t kSignatureBytes = sizeof(crypto::Signature);
constexpr std::uint32_t kGearFastCdc = 1;
constexpr std::uint32_t kHmacSha256 = 1;

[[noreturn]] void unsupported(std::string_view what) {
  throw Error{ErrorCode::unsupported, fmt::format("this repository {}", what),
              "it was made by a newer program: update vgerfs"};
}

bool is_allowed(const ChunkerParameters& chunker) noexcept {
  return chunker.min_bytes >= 4 * 1024 && chunker.min_bytes < chunker.average_bytes &&
         chunker.average_bytes < chunker.max_bytes && chunker.max_bytes <= kMaxChunkBytes &&
         std::has_single_bit(chunker.average_bytes) && chunker.average_bytes >= 16 * 1024 &&
         chunker.average_bytes <= 4 * 1024 * 1024;
}

/// "vgerfs/1 config" ‖ 0 ‖ everything before the signature
Bytes message_to_sign(ByteView unsigned_config) {
  Bytes message;
  ByteWriter writer{message};
  writer.bytes(bytes_of("vgerfs/1 config"));
  writer.u8(0);
  writer.bytes(unsigned_config);
  return message;
}

/// The encoded Config inside.
ByteView payload_of(ByteView stored) {
  if (stored.size() > kMaxConfigBytes) {
    throw Error{ErrorCode::corrupt, fmt::format("{} is too large", kWhat)};
  }
  ByteReader reader{stored, kWhat};
  if (text_of(reader.bytes(kMagic.size())) != kMagic) {
    throw Error{ErrorCode::corrupt, fmt::format("{} is not a vgerfs configuration", kWhat)};
  }
  const std::uint16_t version = reader.u16();
  if (version == 0) throw Error{ErrorCode::corrupt, fmt::format("{} has version 0", kWhat)};
  if (version > kVersion) unsupported(fmt::format("has the newer format version {}", version));
  if (reader.u16() != 0) {
    throw Error{ErrorCode::corrupt, fmt::format("{} has bytes that must be zero", kWhat)};
  }
  const ByteView payload = reader.bytes(reader.u32());
  reader.bytes(kSignatureBytes);
  reader.expect_end();
  return payload;
}

std::optional<crypto::Cipher> parse_cipher(std::uint32_t value) {
  switch (value) {
    case 0: return std::nullopt;
    case 1: return crypto::Cipher::aes256gcm;
    case 2: return crypto::Cipher::chacha20poly1305;
    default: unsupported(fmt::format("uses the unknown cipher {}", value));
  }
}

}  // namespace

Bytes encode_config(const Config& config, const crypto::SigningKey& root) {
  VGERFS_CHECK(config.root_public_key == root.public_key());
  if (!is_allowed(config.chunker)) {
    throw Error{
        ErrorCode::usage, "these chunk sizes are not allowed",
        "4 KiB <= min < average < max <= 8 MiB, average a power of two from 16 KiB to 4 MiB"};
  }
  proto::Config message;
  message.set_repository_id(config.repository.raw());
  message.set_root_public_key(raw_string(config.root_public_key));
  message.set_created_s(config.created_s);
  proto::ChunkerParameters& chunker = *message.mutable_chunker();
  chunker.set_algorithm(kGearFastCdc);
  chunker.set_min_bytes(config.chunker.min_bytes);
  chunker.set_average_bytes(config.chunker.average_bytes);
  chunker.set_max_bytes(config.chunker.max_bytes);
  message.set_id_algorithm(kHmacSha256);
  message.set_cipher(config.cipher ? static_cast<std::uint32_t>(*config.cipher) : 0);
  message.set_key_epoch(kKeyEpoch);
  const Bytes payload = encode_message(message);

  Bytes stored;
  ByteWriter writer{stored};
  writer.bytes(bytes_of(kMagic));
  writer.u16(kVersion);
  writer.u16(0);
  writer.u32(static_cast<std::uint32_t>(payload.size()));
  writer.bytes(payload);
  const crypto::Signature signature = root.sign(message_to_sign(stored));
  writer.bytes(signature);
  return stored;
}

Config parse_config(ByteView stored) {
  proto::Config message;
  decode_message(message, payload_of(stored), kWhat);
  Config config;
  config.supported = check_features(message.features(), "this repository", Role::full);
  config.repository = id_field<RepositoryId>(message.repository_id(), "the repository id");
  config.root_public_key =
      array_field<sizeof(crypto::PublicKey)>(message.root_public_key(), "the root public key");
  config.created_s = message.created_s();
  const proto::ChunkerParameters& chunker = message.chunker();
  if (chunker.algorithm() != kGearFastCdc) {
    unsupported(fmt::format("uses the unknown chunking algorithm {}", chunker.algorithm()));
  }
  config.chunker = {chunker.min_bytes(), chunker.average_bytes(), chunker.max_bytes()};
  if (!is_allowed(config.chunker)) {
    throw Error{ErrorCode::corrupt, fmt::format("{} has chunk sizes that are not allowed", kWhat)};
  }
  if (message.id_algorithm() != kHmacSha256) {
    unsupported(fmt::format("names chunks with the unknown algorithm {}", message.id_algorithm()));
  }
  config.cipher = parse_cipher(message.cipher());
  if (message.key_epoch() != kKeyEpoch) {
    unsupported(fmt::format("has the unknown key epoch {}", message.key_epoch()));
  }
  return config;
}

bool verify_config(ByteView stored, const crypto::PublicKey& root) {
  if (stored.size() < kHeaderBytes + kSignatureBytes) return false;
  const ByteView unsigned_config = stored.first(stored.size() - kSignatureBytes);
  ByteReader rest{stored.last(kSignatureBytes), kWhat};
  return crypto::verify(root, message_to_sign(unsigned_config), rest.array<kSignatureBytes>());
}

}  // namespace vgerfs::repo
