// Questions to the index cache's tables (index_rows.h). Each is asked inside a transaction; each
// throws corrupt where rows contradict each other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/sqlite.h"
#include "repo/block_row_cache.h"
#include "repo/index_cache.h"

namespace vgerfs::repo {

IndexTotals read_totals(Database& database);
/// The number of chunks, as a size for the filter.
std::uint64_t count_keys(Database& database);

std::vector<RecordId> read_records(Database& database);
/// Records that count with what is known of each, those of superseded ones too.
std::vector<IndexedRecord> read_record_list(Database& database);
/// What all counting records, but superseded ones, allow.
Supported read_supported(Database& database);
/// Records that no author of at least equal trust claims, ascending.
std::vector<RecordId> read_record_heads(Database& database);
/// Those of `listed` that no record claims; with `by_full_author`: none of a full author.
std::vector<SnapshotId> unclaimed_snapshots(Database& database,
                                            const std::vector<SnapshotId>& listed,
                                            bool by_full_author);
std::vector<IndexCache::Claim> read_claims(Database& database);

/// All places of a chunk, trusted ones first. `blocks` are of this database.
std::vector<ChunkPlace> find_places(Database& database, BlockRowCache& blocks, const ChunkId& id);
/// The pack of one that `author` may deduplicate against.
std::optional<PackId> find_usable_pack(Database& database, const ChunkId& id,
                                       const crypto::PublicKey& author, DedupPolicy policy);

struct PackRow {
  std::int64_t row = 0;
  IndexedPack pack;
};
/// Up to `count` packs with rows after `after`, ascending.
std::vector<PackRow> read_packs(Database& database, std::int64_t after, std::int64_t count,
                                bool with_blocks);

/// The entries of one pack, with blocks.
std::vector<IndexedPack> find_pack_entries(Database& database, const PackId& id);

struct RepeatedStep {
  std::vector<std::int64_t> repeated;
  std::optional<std::int64_t> last;  // go on after this prefix; nullopt: that was all
};
/// Prefixes with more than one row, among the next ones after `after` (nullopt: from the first).
RepeatedStep read_repeated(Database& database, std::optional<std::int64_t> after);

/// Checks that packs have their blocks and that the totals are right.
void check_packs(Database& database);
/// Checks up to `count` blocks with rows after `after`: that they are whole and that every chunk
/// leads to them. Returns the last row, or nullopt after the last block.
std::optional<std::int64_t> check_blocks(Database& database, std::int64_t after,
                                         std::int64_t count);

}  // namespace vgerfs::repo
