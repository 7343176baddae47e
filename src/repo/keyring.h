// The keys that one slot yields, ready for use.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/ids.h"
#include "crypto/mac.h"
#include "crypto/public_key.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "format/keys.pb.h"
#include "repo/certificate.h"
#include "repo/chunk.h"
#include "repo/envelope.h"

namespace vgerfs::repo {

using GearTable = std::array<std::uint64_t, 256>;

/// An opened and checked key bundle. Immutable after construction but for an internal cache;
/// thread-safe.
class Keyring {
 public:
  /// Fresh keys for a new repository: role full, with a certificate for `label`.
  static std::unique_ptr<Keyring> generate(crypto::Random& random, std::string label,
                                           std::int64_t now_s);
  /// From an encoded KeyBundle. Throws corrupt if FORMAT.md section 5.2 does not hold.
  static std::unique_ptr<Keyring> from_bundle(ByteView encoded);

  ~Keyring();

  /// A bundle for a new slot with role, label, hosts and time of `wanted`, and an author of its
  /// own. Throws denied without role full, usage for a certificate that FORMAT.md does not allow.
  crypto::Secret make_bundle(const Certificate& wanted, crypto::Random& random) const;
  /// This keyring's own bundle, encoded.
  crypto::Secret bundle() const;

  const RepositoryId& repository() const noexcept { return repository_; }
  Role role() const noexcept { return certificate_.role; }
  const Certificate& certificate() const noexcept { return certificate_; }
  const format::proto::SignedCertificate& signed_certificate() const noexcept {
    return signed_certificate_;
  }
  const crypto::PublicKey& root_public_key() const noexcept { return root_public_key_; }
  const crypto::SigningKey& author() const { return *author_; }
  /// Throws denied without role full.
  const crypto::SigningKey& root() const;

  ChunkId chunk_id(ChunkKind kind, ByteView bytes) const;
  GearTable gear_table() const;
  /// 16-byte SipHash key for splitting directories.
  const std::array<std::byte, 16>& split_key() const noexcept { return split_key_; }
  EnvelopeKeys envelope_keys() const noexcept { return {repository_, meta_key_.view()}; }
  /// A 32-byte key for sealing local files (cache, state), derived from K_meta and `purpose`.
  crypto::Secret local_key(std::string_view purpose) const;

  /// A session's new data key.
  std::shared_ptr<const DataKey> make_data_key(crypto::Random& random) const;
  /// Remembers a data key of this process, so that its blocks can be read without sk.
  void remember(std::shared_ptr<const DataKey> key) const;
  void forget(const crypto::SealedDataKey& sealed) const;
  /// The data key in a header: remembered, or opened with sk (cached). Throws denied if this role
  /// cannot, corrupt if it was not sealed to this repository.
  std::shared_ptr<const DataKey> open_data_key(const crypto::SealedDataKey& sealed) const;

 private:
  Keyring() = default;
  /// A bundle of this repository's keys, as far as `role` has them.
  crypto::Secret encode_bundle(Role role, const crypto::Secret& author_seed,
                               const format::proto::SignedCertificate& certificate) const;

  RepositoryId repository_;
  crypto::PublicKey root_public_key_{};
  crypto::Secret id_key_;
  crypto::Secret meta_key_;
  crypto::PublicKey data_public_key_{};
  crypto::Secret data_secret_key_;  // empty for ingest
  crypto::Secret author_seed_;
  crypto::Secret root_seed_;  // empty for ingest
  Certificate certificate_;
  format::proto::SignedCertificate signed_certificate_;
  std::unique_ptr<crypto::SigningKey> author_;
  std::unique_ptr<crypto::SigningKey> root_;
  std::unique_ptr<crypto::HmacKey> chunk_id_key_;
  std::array<std::byte, 16> split_key_{};

  struct SealedHash {
    std::size_t operator()(const crypto::SealedDataKey& sealed) const noexcept;
  };
  mutable std::mutex mutex_;
  using DataKeys =
      std::unordered_map<crypto::SealedDataKey, std::shared_ptr<const DataKey>, SealedHash>;
  mutable DataKeys opened_;                                 // guarded by mutex_; bounded
  mutable std::deque<crypto::SealedDataKey> opened_order_;  // guarded by mutex_; oldest first
  mutable DataKeys remembered_;  // guarded by mutex_; stay until forgotten
};

}  // namespace vgerfs::repo
