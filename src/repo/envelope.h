// The envelope that seals blocks, index records, snapshots, leases and slot information
// (docs/FORMAT.md section 3).
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/aead.h"
#include "crypto/mac.h"
#include "crypto/public_key.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

enum class EnvelopeKind : std::uint8_t {
  block = 1,
  index_record = 2,
  snapshot = 3,
  lease = 4,
  slot_info = 5
};
enum class Codec : std::uint8_t { raw = 0, zstd = 1 };

inline constexpr std::size_t kEnvelopeHeaderBytes = 88;       // kinds without a data key
inline constexpr std::size_t kDataEnvelopeHeaderBytes = 168;  // block and snapshot
inline constexpr std::uint32_t kKeyEpoch = 1;

/// "block", "index record", …: for messages.
std::string_view to_string(EnvelopeKind kind) noexcept;

constexpr bool has_data_key(EnvelopeKind kind) noexcept {
  return kind == EnvelopeKind::block || kind == EnvelopeKind::snapshot;
}
constexpr std::size_t header_bytes(EnvelopeKind kind) noexcept {
  return has_data_key(kind) ? kDataEnvelopeHeaderBytes : kEnvelopeHeaderBytes;
}
/// Index records, snapshots and leases end with a signature.
constexpr bool is_signed(EnvelopeKind kind) noexcept {
  return kind == EnvelopeKind::index_record || kind == EnvelopeKind::snapshot ||
         kind == EnvelopeKind::lease;
}

/// A session's data key with its form sealed to the repository's public key. Shared by the
/// session's threads, read-only.
struct DataKey {
  crypto::Secret key;  // 32 bytes
  crypto::SealedDataKey sealed{};
};

/// What all envelopes of a repository are derived from; views into the keyring.
struct EnvelopeKeys {
  RepositoryId repository;
  ByteView meta_key;  // K_meta
};

/// The plaintext header, parsed. Lengths are within limits for the kind; nothing is authenticated
/// yet.
struct EnvelopeHeader {
  EnvelopeKind kind{};
  crypto::Cipher cipher{};
  Codec codec{};
  std::optional<ChunkKind> chunk_kind;  // blocks
  std::uint32_t directory_bytes = 0;    // without tag
  std::uint32_t data_bytes = 0;         // without tag
  std::array<std::byte, 32> salt{};
  crypto::Mac commitment{};
  std::optional<crypto::SealedDataKey> data_key;

  /// Everything, with tags, without signature.
  std::size_t sealed_bytes() const noexcept;
};

/// Parses the header at the beginning of `envelope`. Throws corrupt, or unsupported for a newer
/// version, another key epoch, an unknown cipher or codec.
EnvelopeHeader parse_envelope_header(ByteView envelope, EnvelopeKind expected);

struct SealParameters {
  EnvelopeKind kind{};
  crypto::Cipher cipher{};
  Codec codec = Codec::raw;
  std::optional<ChunkKind> chunk_kind;
  const DataKey* data_key = nullptr;  // required for block and snapshot, else null
};

/// Bytes that `seal_in_place` needs around a directory and payload of these lengths, without
/// signature.
std::size_t sealed_size(EnvelopeKind kind, std::size_t directory_bytes,
                        std::size_t data_bytes) noexcept;
/// Where the data's plaintext has to lie in the output of `seal_in_place`.
std::size_t data_offset(EnvelopeKind kind, std::size_t directory_bytes) noexcept;

/// Builds an envelope in `out` (exactly `sealed_size`): the data's plaintext lies at `data_offset`
/// already and is encrypted in place; the directory (empty unless block) is copied in. For a raw
/// block the directory must hold the ids of exactly this data: the salt covers them instead of it.
/// Returns the data's tag. No allocation. Thread-safe.
crypto::AeadTag seal_in_place(const SealParameters& parameters, const EnvelopeKeys& keys,
                              crypto::Random& random, ByteView directory, MutableBytes out);

/// One envelope whose keys are derived and whose commitment matches. Many threads may call it.
class EnvelopeOpener {
 public:
  /// `envelope` is the whole envelope without signature; it must outlive this. `data_key` is needed
  /// for the kinds that have one. Throws corrupt if the length is another than the header says, or
  /// the commitment does not match.
  EnvelopeOpener(const EnvelopeHeader& header, ByteView envelope, const EnvelopeKeys& keys,
                 const crypto::Secret* data_key);

  /// Decrypts the directory (blocks). Throws corrupt if it is not authentic.
  Bytes directory() const;
  /// Decrypts the data into `out` (header.data_bytes long). Throws corrupt if it is not authentic,
  /// or if `pinned_tag` is given and the stored tag differs; `out` then holds nothing of the data.
  void data(MutableBytes out, const crypto::AeadTag* pinned_tag = nullptr) const;

 private:
  EnvelopeHeader header_;
  ByteView envelope_;
  crypto::TransientKey key_;
};

}  // namespace vgerfs::repo
