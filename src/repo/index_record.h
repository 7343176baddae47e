// Index records: which chunks lie where, what was removed (docs/FORMAT.md section 9).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "repo/certificate.h"
#include "repo/features.h"
#include "repo/index_facts.h"
#include "repo/keyring.h"
#include "repo/pack_description.h"

namespace vgerfs::repo {

using SessionId = std::array<std::byte, 16>;

/// What others sealed, carried over by a full author.
struct CarriedAdditions {
  Certificate author;
  format::proto::SignedCertificate certificate;
  std::vector<PackDescription> packs;
};

struct IndexRecord {
  Certificate author;                            // set by open_record; ignored by seal_record
  format::proto::SignedCertificate certificate;  // of `author`; likewise
  Timestamp time;
  SessionId session{};
  std::vector<RecordId> after_records;
  std::vector<SnapshotId> after_snapshots;
  std::vector<PackDescription> packs;     // sealed by `author`
  std::vector<CarriedAdditions> carried;  // empty unless the author is full
  Facts facts;                  // what does not count from the author is dropped by open_record
  bool ignored_claims = false;  // set by open_record: something was dropped
  Supported supported;          // set by open_record
};

/// Stored bytes, signed by the keyring's author. Throws usage if they would exceed kMaxRecordBytes
/// (see `record_weight`), denied for what only a full author may say.
Bytes seal_record(const IndexRecord& record, const Keyring& keyring, crypto::Cipher cipher,
                  crypto::Random& random);

/// A record without packs and heads stays below this; every head adds less than
/// kRecordWeightOfHead.
inline constexpr std::size_t kRecordWeightBase = 32 * 1024;
inline constexpr std::size_t kRecordWeightOfHead = 40;
/// Upper bound of what a pack adds to a record's size: writers split by it. For facts see
/// facts_weight.
std::size_t record_weight(const PackDescription& pack) noexcept;
/// What one of its blocks adds to that.
std::size_t record_weight(const BlockEntry& block) noexcept;

/// Decrypts, checks certificate, signature and columns. Throws corrupt; unsupported for what this
/// version does not implement.
IndexRecord open_record(ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo
