// The tables of the index cache, and how blocks are kept in them.
#pragma once

#include <array>
#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "base/sqlite.h"
#include "repo/client_database.h"
#include "repo/entry_digest.h"
#include "repo/index_cache.h"
#include "repo/index_record.h"

namespace vgerfs::repo {

/// `claim` is what records name in their `after`; `head` of a record: nothing claims it. A pack has
/// a row for each entry that counts (index_fold.h), its blocks have consecutive ids. `chunk` finds
/// blocks by the first 8 bytes of a chunk's id; the ids themselves lie in the block's row.
/// `source`: which records say what a pack's row says. `fact` is a set (index_fact_rows.h),
/// `fact_sum` the sum of its rows' hashes by kind.
extern const DatabaseKind kIndexDatabase;

/// Checks of rows that are kept beside them (row_hash).
std::uint64_t claim_hash(ByteView name, bool snapshot, bool trusted);
std::int64_t pack_check(const PackDescription& pack, const crypto::PublicKey& author, bool trusted,
                        const EntryDigest& digest);

/// A chunk id's prefix as SQLite keeps it.
std::int64_t row_prefix(const ChunkId& id) noexcept;

/// The columns of a block that are derived from its chunks; `check` covers the whole block, since a
/// flipped bit in a database would otherwise pass for a chunk that is not there.
struct BlockColumns {
  Bytes ids;      // 32 bytes each
  Bytes lengths;  // u32 each
  std::int64_t check = 0;

  /// Reuses the memory.
  void assign(const BlockEntry& block);
};

/// Names of a block's columns in a SELECT, as read_block expects them.
#define VGERFS_BLOCK_COLUMNS "b.offset, b.stored_bytes, b.tag, b.kind, b.ids, b.lengths, b.crc"

/// The same of a pack joined with its author, and their number.
#define VGERFS_PACK_COLUMNS "p.name, p.trusted, a.key, p.digest, p.kind, p.stored_bytes, p.crc"
inline constexpr int kPackColumns = 7;

/// Throws corrupt if the pack's columns are not what was written.
void check_pack_row(const Statement& row, int first_column);

/// The block whose columns begin at `first_column`. Throws corrupt.
BlockEntry read_block(const Statement& row, int first_column);

}  // namespace vgerfs::repo
