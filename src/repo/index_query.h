// Questions to the index cache's tables (index_rows.h). Each is asked inside a transaction; each
// throws corrupt where rows contradict each other.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <vector>

#include "repo/index_cache.h"
#include "repo/sqlite.h"

namespace vgerfs::repo {

IndexTotals read_totals(Database& database);
/// The number of chunks, as a size for the filter.
std::uint64_t count_keys(Database& database);

std::vector<RecordId> read_records(Database& database);
/// Records that no record claims, ascending.
std::vector<RecordId> read_record_heads(Database& database);
/// Those of `listed` that no record claims.
std::vector<SnapshotId> unclaimed_snapshots(Database& database,
                                            const std::vector<SnapshotId>& listed);
std::vector<IndexCache::Claim> read_claims(Database& database);
std::vector<SnapshotId> read_removed_snapshots(Database& database);

/// All places of a chunk, trusted ones first.
std::vector<ChunkPlace> find_places(Database& database, const ChunkId& id);
/// Whether `author` may deduplicate against one of them.
bool has_usable_place(Database& database, const ChunkId& id, const crypto::PublicKey& author,
                      DedupPolicy policy);

struct PackRow {
  std::int64_t row = 0;
  PackDescription description;
  RecordId record;
  bool trusted = false;
};
/// Up to `count` packs with rows after `after`, ascending.
std::vector<PackRow> read_packs(Database& database, std::int64_t after, std::int64_t count,
                                bool with_blocks);

/// Checks that packs have their blocks and that the totals are right.
void check_packs(Database& database);
/// Checks up to `count` blocks with rows after `after`: that they are whole and that every chunk
/// leads to them. Returns the last row, or nullopt after the last block.
std::optional<std::int64_t> check_blocks(Database& database, std::int64_t after,
                                         std::int64_t count);

}  // namespace vgerfs::repo
