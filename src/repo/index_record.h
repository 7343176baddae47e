// Index records: which chunks lie where, what was removed (docs/FORMAT.md section 9).
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"
#include "base/ids.h"
#include "crypto/aead.h"
#include "repo/certificate.h"
#include "repo/chunk.h"
#include "repo/features.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

struct ChunkEntry {
  ChunkId id;
  std::uint32_t plain_bytes = 0;
};

struct BlockEntry {
  std::uint32_t offset = 0;  // in the pack
  std::uint32_t stored_bytes = 0;
  crypto::AeadTag tag{};
  ChunkKind chunk_kind{};
  std::vector<ChunkEntry> chunks;
};

struct PackDescription {
  PackId id;
  PackKind kind{};
  std::uint64_t stored_bytes = 0;
  std::vector<BlockEntry> blocks;
};

using SessionId = std::array<std::byte, 16>;

struct SnapshotRemoval {
  SnapshotId snapshot;
  std::int64_t time_s = 0;
};

/// A record of this version: additions of its signer, and removals.
struct IndexRecord {
  Certificate author;  // set by open_record; ignored by seal_record
  Timestamp time;
  SessionId session{};
  std::vector<RecordId> after_records;
  std::vector<SnapshotId> after_snapshots;
  std::vector<PackDescription> packs;
  std::vector<SnapshotRemoval>
      removals;  // empty unless the author is full: others' are dropped by open_record
  bool ignored_claims = false;  // set by open_record: something does not count from this author
  Supported supported;          // set by open_record
};

/// Stored bytes, signed by the keyring's author. Throws usage if they would exceed kMaxRecordBytes
/// (see `record_weight`), denied for removals without role full.
Bytes seal_record(const IndexRecord& record, const Keyring& keyring, crypto::Cipher cipher,
                  crypto::Random& random);

/// A record without packs and heads stays below this; every head adds less than
/// kRecordWeightOfHead.
inline constexpr std::size_t kRecordWeightBase = 32 * 1024;
inline constexpr std::size_t kRecordWeightOfHead = 40;
/// Upper bound of what a pack adds to a record's size: writers split by it.
std::size_t record_weight(const PackDescription& pack) noexcept;

/// Decrypts, checks certificate, signature and columns. Throws corrupt; unsupported for what this
/// version does not implement.
IndexRecord open_record(ByteView stored, const Keyring& keyring);

}  // namespace vgerfs::repo
