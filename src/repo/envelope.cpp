#include "repo/envelope.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "repo/limits.h"

// An envelope, as drawn in docs/FORMAT.md section 3.1:
//
//    0 "VGfs"         4 version    5 kind     6 cipher    7 codec
//    8 key epoch     12 chunk kind           13 zero
//   16 directory len 20 data len             24 salt     56 commitment
//   88 sealed data key (block, snapshot)
//      directory ciphertext ‖ tag (block)
//      data ciphertext ‖ tag

namespace vgerfs::repo {
namespace {

constexpr std::string_view kMagic = "VGfs";
constexpr std::uint8_t kVersion = 1;
constexpr std::size_t kSaltOffset = 24;
constexpr std::size_t kCommitmentOffset = 56;
constexpr std::size_t kDirectoryEntryBytes = 36;

enum class Part : std::uint8_t { directory = 0, data = 1 };

crypto::AeadNonce nonce_of(Part part) noexcept {
  crypto::AeadNonce nonce{};
  nonce[0] = static_cast<std::byte>(part);
  return nonce;
}

[[noreturn]] void corrupt(EnvelopeKind kind, std::string_view what) {
  throw Error{ErrorCode::corrupt, fmt::format("the {} {}", to_string(kind), what)};
}

[[noreturn]] void unsupported(EnvelopeKind kind, std::string_view what) {
  throw Error{ErrorCode::unsupported, fmt::format("the {} {}", to_string(kind), what),
              "it was written by a newer program: update vgerfs"};
}

/// Largest sealed data of a kind, so that no reader allocates more. Signed kinds: their envelope
/// must also fit into the object.
std::size_t max_data_bytes(EnvelopeKind kind) noexcept {
  switch (kind) {
    case EnvelopeKind::block: return kMaxBlockDataBytes;
    case EnvelopeKind::index_record: return kMaxRecordBytes;
    case EnvelopeKind::snapshot: return kMaxSnapshotBytes;
    case EnvelopeKind::lease: return kMaxLeaseBytes;
    case EnvelopeKind::slot_info: return kMaxSlotBytes;
  }
  bug("unknown envelope kind");
}

/// Whether a block's directory can have this length (docs/FORMAT.md section 7).
bool is_directory_length(std::size_t bytes) noexcept {
  return bytes >= 4 + kDirectoryEntryBytes && bytes <= 4 + kDirectoryEntryBytes * kMaxBlockChunks &&
         (bytes - 4) % kDirectoryEntryBytes == 0;
}

bool lengths_fit(EnvelopeKind kind, std::size_t directory_bytes, std::size_t data_bytes) noexcept {
  const bool directory_fits =
      kind == EnvelopeKind::block ? is_directory_length(directory_bytes) : directory_bytes == 0;
  return directory_fits && data_bytes <= max_data_bytes(kind) &&
         (kind != EnvelopeKind::block || data_bytes > 0);
}

crypto::HkdfPair derive(const EnvelopeKeys& keys, EnvelopeKind kind, ByteView salt,
                        const crypto::Secret* data_key) {
  VGERFS_CHECK(keys.meta_key.size() == 32);
  VGERFS_CHECK((data_key != nullptr) == has_data_key(kind));
  static constexpr std::string_view kLabel{"vgerfs/1\0", 9};
  std::array<std::byte, kLabel.size() + RepositoryId::kSize + 1> info;
  std::memcpy(info.data(), kLabel.data(), kLabel.size());
  std::memcpy(info.data() + kLabel.size(), keys.repository.view().data(), RepositoryId::kSize);
  info.back() = static_cast<std::byte>(kind);
  if (data_key == nullptr) return crypto::hkdf_pair(keys.meta_key, salt, info);

  VGERFS_CHECK(data_key->size() == 32);
  std::array<std::byte, 64> input_key;
  std::memcpy(input_key.data(), data_key->view().data(), 32);
  std::memcpy(input_key.data() + 32, keys.meta_key.data(), 32);
  crypto::HkdfPair pair = crypto::hkdf_pair(input_key, salt, info);
  crypto::wipe(input_key);
  return pair;
}

void put_u32(MutableBytes out, std::size_t at, std::size_t value) {
  for (std::size_t i = 0; i < 4; ++i) out[at + i] = static_cast<std::byte>(value >> (8 * i));
}

void put(MutableBytes out, std::size_t at, ByteView bytes) {
  VGERFS_CHECK(at <= out.size() && bytes.size() <= out.size() - at);
  if (!bytes.empty()) std::memcpy(out.data() + at, bytes.data(), bytes.size());
}

/// Everything but salt and commitment.
void write_header(const SealParameters& parameters, std::size_t directory_bytes,
                  std::size_t data_bytes, MutableBytes header) {
  std::fill(header.begin(), header.end(), std::byte{0});
  put(header, 0, bytes_of(kMagic));
  header[4] = std::byte{kVersion};
  header[5] = static_cast<std::byte>(parameters.kind);
  header[6] = static_cast<std::byte>(parameters.cipher);
  header[7] = static_cast<std::byte>(parameters.codec);
  put_u32(header, 8, kKeyEpoch);
  if (parameters.chunk_kind) header[12] = static_cast<std::byte>(*parameters.chunk_kind);
  put_u32(header, 16, directory_bytes);
  put_u32(header, 20, data_bytes);
  if (parameters.data_key != nullptr) {
    put(header, kEnvelopeHeaderBytes, parameters.data_key->sealed);
  }
}

crypto::Cipher parse_cipher(std::uint8_t value, EnvelopeKind kind) {
  switch (value) {
    case 1: return crypto::Cipher::aes256gcm;
    case 2: return crypto::Cipher::chacha20poly1305;
    default: unsupported(kind, fmt::format("is sealed with an unknown cipher ({})", value));
  }
}

Codec parse_codec(std::uint8_t value, EnvelopeKind kind) {
  if (value != 0 && kind != EnvelopeKind::block) corrupt(kind, "has a codec");
  switch (value) {
    case 0: return Codec::raw;
    case 1: return Codec::zstd;
    default: unsupported(kind, fmt::format("is compressed with an unknown codec ({})", value));
  }
}

std::optional<ChunkKind> parse_chunk_kind(std::uint8_t value, EnvelopeKind kind) {
  if (kind != EnvelopeKind::block) {
    if (value != 0) corrupt(kind, "has a chunk kind");
    return std::nullopt;
  }
  switch (value) {
    case 1: return ChunkKind::data;
    case 2: return ChunkKind::tree;
    case 3: return ChunkKind::extents;
    case 4: return ChunkKind::blob;
    default: corrupt(kind, "has an unknown chunk kind");
  }
}

}  // namespace

std::string_view to_string(EnvelopeKind kind) noexcept {
  switch (kind) {
    case EnvelopeKind::block: return "block";
    case EnvelopeKind::index_record: return "index record";
    case EnvelopeKind::snapshot: return "snapshot";
    case EnvelopeKind::lease: return "lease";
    case EnvelopeKind::slot_info: return "slot information";
  }
  return "envelope";
}

std::size_t sealed_size(EnvelopeKind kind, std::size_t directory_bytes,
                        std::size_t data_bytes) noexcept {
  return data_offset(kind, directory_bytes) + data_bytes + crypto::kAeadTagBytes;
}

std::size_t data_offset(EnvelopeKind kind, std::size_t directory_bytes) noexcept {
  const std::size_t directory_tag = kind == EnvelopeKind::block ? crypto::kAeadTagBytes : 0;
  return header_bytes(kind) + directory_bytes + directory_tag;
}

std::size_t EnvelopeHeader::sealed_bytes() const noexcept {
  return sealed_size(kind, directory_bytes, data_bytes);
}

EnvelopeHeader parse_envelope_header(ByteView envelope, EnvelopeKind expected) {
  ByteReader reader{envelope, to_string(expected)};
  if (text_of(reader.bytes(kMagic.size())) != kMagic) corrupt(expected, "does not begin as one");
  const std::uint8_t version = reader.u8();
  if (version == 0) corrupt(expected, "has version 0");
  if (version > kVersion) unsupported(expected, fmt::format("has the newer version {}", version));

  EnvelopeHeader header;
  header.kind = expected;
  if (reader.u8() != static_cast<std::uint8_t>(expected)) corrupt(expected, "is of another kind");
  const std::uint8_t cipher = reader.u8();
  const std::uint8_t codec = reader.u8();
  const std::uint32_t epoch = reader.u32();
  if (epoch != kKeyEpoch) unsupported(expected, fmt::format("has the unknown key epoch {}", epoch));
  header.cipher = parse_cipher(cipher, expected);
  header.codec = parse_codec(codec, expected);
  header.chunk_kind = parse_chunk_kind(reader.u8(), expected);
  for (const std::byte zero : reader.bytes(3)) {
    if (zero != std::byte{0}) corrupt(expected, "has bytes that must be zero");
  }
  header.directory_bytes = reader.u32();
  header.data_bytes = reader.u32();
  if (!lengths_fit(expected, header.directory_bytes, header.data_bytes)) {
    corrupt(expected, "has lengths that are not allowed");
  }
  header.salt = reader.array<32>();
  header.commitment = reader.array<32>();
  if (has_data_key(expected)) header.data_key = reader.array<crypto::kSealedDataKeyBytes>();
  return header;
}

crypto::AeadTag seal_in_place(const SealParameters& parameters, const EnvelopeKeys& keys,
                              crypto::Random& random, ByteView directory, MutableBytes out) {
  const EnvelopeKind kind = parameters.kind;
  const std::size_t at = data_offset(kind, directory.size());
  VGERFS_CHECK(out.size() >= at + crypto::kAeadTagBytes);
  const MutableBytes data = out.subspan(at, out.size() - at - crypto::kAeadTagBytes);
  VGERFS_CHECK(lengths_fit(kind, directory.size(), data.size()));
  VGERFS_CHECK((parameters.data_key != nullptr) == has_data_key(kind));
  VGERFS_CHECK(parameters.chunk_kind.has_value() == (kind == EnvelopeKind::block));
  VGERFS_CHECK(parameters.codec == Codec::raw || kind == EnvelopeKind::block);

  const MutableBytes header = out.first(header_bytes(kind));
  write_header(parameters, directory.size(), data.size(), header);

  // The salt makes the key; it depends on everything that is sealed, so that a random source which
  // repeats itself repeats keys only for the same content (docs/FORMAT.md section 3.2).
  const crypto::Secret* const data_key =
      parameters.data_key != nullptr ? &parameters.data_key->key : nullptr;
  const auto fresh = crypto::random_array<32>(random);
  const bool covered_by_directory = kind == EnvelopeKind::block && parameters.codec == Codec::raw;
  const crypto::Mac salt = crypto::hmac_sha256(
      data_key != nullptr ? data_key->view() : keys.meta_key, fresh, header.first(kSaltOffset),
      directory, covered_by_directory ? ByteView{} : ByteView{data});
  put(header, kSaltOffset, salt);
  const crypto::HkdfPair derived = derive(keys, kind, salt, data_key);
  put(header, kCommitmentOffset, derived.second);

  ByteView directory_tag;
  if (kind == EnvelopeKind::block) {
    const MutableBytes sealed = out.subspan(header.size(), directory.size());
    const crypto::AeadTag tag =
        crypto::aead_seal(parameters.cipher, derived.first.view(), nonce_of(Part::directory),
                          header, {}, directory, sealed);
    put(out, header.size() + directory.size(), tag);
    directory_tag = ByteView{out}.subspan(header.size() + directory.size(), crypto::kAeadTagBytes);
  }
  const crypto::AeadTag tag =
      crypto::aead_seal(parameters.cipher, derived.first.view(), nonce_of(Part::data), header,
                        directory_tag, data, data);
  put(out, at + data.size(), tag);
  return tag;
}

EnvelopeOpener::EnvelopeOpener(const EnvelopeHeader& header, ByteView envelope,
                               const EnvelopeKeys& keys, const crypto::Secret* data_key)
    : header_(header), envelope_(envelope) {
  if (envelope.size() != header.sealed_bytes()) {
    corrupt(header.kind, "does not have the length that its header says");
  }
  crypto::HkdfPair derived = derive(keys, header.kind, header.salt, data_key);
  if (!crypto::equal(derived.second, header.commitment)) {
    corrupt(header.kind, "was not sealed with this repository's keys, or its header is damaged");
  }
  key_ = std::move(derived.first);
}

Bytes EnvelopeOpener::directory() const {
  VGERFS_CHECK(header_.kind == EnvelopeKind::block);
  const std::size_t head = header_bytes(header_.kind);
  ByteReader reader{envelope_.subspan(head), to_string(header_.kind)};
  const ByteView sealed = reader.bytes(header_.directory_bytes);
  const auto tag = reader.array<crypto::kAeadTagBytes>();
  Bytes directory(sealed.size());
  if (!crypto::aead_open(header_.cipher, key_.view(), nonce_of(Part::directory),
                         envelope_.first(head), {}, sealed, tag, directory)) {
    corrupt(header_.kind, "has a directory that is not authentic");
  }
  return directory;
}

void EnvelopeOpener::data(MutableBytes out, const crypto::AeadTag* pinned_tag) const {
  VGERFS_CHECK(out.size() == header_.data_bytes);
  const std::size_t at = data_offset(header_.kind, header_.directory_bytes);
  ByteReader reader{envelope_.subspan(at), to_string(header_.kind)};
  const ByteView sealed = reader.bytes(header_.data_bytes);
  const auto tag = reader.array<crypto::kAeadTagBytes>();
  if (pinned_tag != nullptr && !crypto::equal(tag, *pinned_tag)) {
    corrupt(header_.kind, "is not the one that the index record names");
  }
  const ByteView directory_tag =
      header_.kind == EnvelopeKind::block
          ? envelope_.subspan(at - crypto::kAeadTagBytes, crypto::kAeadTagBytes)
          : ByteView{};
  if (!crypto::aead_open(header_.cipher, key_.view(), nonce_of(Part::data),
                         envelope_.first(header_bytes(header_.kind)), directory_tag, sealed, tag,
                         out)) {
    corrupt(header_.kind, "is not authentic");
  }
}

}  // namespace vgerfs::repo
