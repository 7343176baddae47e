#include "repo/index_query.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <utility>

#include "repo/index_fact_rows.h"
#include "repo/index_rows.h"

namespace vgerfs::repo {
namespace {

[[noreturn]] void throw_damaged(std::string_view what) {
  throw Error{ErrorCode::corrupt, std::string{what}};
}

// Where `id` stands among `count` ids; nullopt if it is not there. Throws corrupt if not even its
// prefix is: then the row that led here is wrong. `bytes_at` gives an id's 32 bytes.
template <class BytesAt>
std::optional<std::uint32_t> position_in(std::size_t count, const ChunkId& id, BytesAt bytes_at) {
  bool same_prefix = false;
  for (std::size_t i = 0; i < count; ++i) {
    const std::byte* const bytes = bytes_at(i);
    if (std::memcmp(bytes, id.bytes().data(), sizeof(std::uint64_t)) != 0) continue;
    if (std::memcmp(bytes, id.bytes().data(), ChunkId::kSize) == 0) {
      return static_cast<std::uint32_t>(i);
    }
    same_prefix = true;
  }
  if (!same_prefix) throw_damaged("a chunk leads to a wrong block");
  return std::nullopt;
}

std::optional<std::uint32_t> position_in(ByteView ids, const ChunkId& id) {
  return position_in(ids.size() / ChunkId::kSize, id,
                     [&](std::size_t i) { return &ids[i * ChunkId::kSize]; });
}

std::optional<std::uint32_t> position_in(const BlockEntry& block, const ChunkId& id) {
  return position_in(block.chunks.size(), id,
                     [&](std::size_t i) { return block.chunks[i].id.bytes().data(); });
}

std::shared_ptr<const BlockEntry> read_block_row(Database& database, BlockRowCache& blocks,
                                                 std::int64_t row, std::int64_t check) {
  if (auto known = blocks.find(row, check)) return known;
  auto rows = database.query("SELECT " VGERFS_BLOCK_COLUMNS " FROM block b WHERE b.id = ?1");
  if (!rows.bind(row).step()) throw_damaged("a block is lost");
  auto block = std::make_shared<const BlockEntry>(read_block(rows, 0));
  blocks.insert(row, check, block);
  return block;
}

// Compares the hashes of all rows with the sum that was kept when they were written.
void check_sum(Database& database, std::uint64_t sum, int column) {
  auto row = database.query("SELECT record_sum, claim_sum FROM total");
  if (!row.step() || static_cast<std::uint64_t>(row.integer(column)) != sum) {
    throw_damaged("rows were changed");
  }
}

std::vector<BlockEntry> read_blocks(Database& database, std::int64_t first, std::int64_t count) {
  std::vector<BlockEntry> blocks;
  auto rows = database.query("SELECT " VGERFS_BLOCK_COLUMNS
                             " FROM block b WHERE b.id >= ?1 AND b.id < ?1 + ?2 ORDER BY b.id");
  rows.bind(first, count);
  while (rows.step()) blocks.push_back(read_block(rows, 0));
  if (!std::cmp_equal(blocks.size(), count)) throw_damaged("a pack's blocks are not all there");
  return blocks;
}

#define VGERFS_PACK_ROW VGERFS_PACK_COLUMNS ", p.id, p.first_block, p.blocks"

PackRow read_pack_row(Database& database, const Statement& rows, bool with_blocks) {
  check_pack_row(rows, 0);
  PackRow row;
  row.row = rows.integer(kPackColumns);
  IndexedPack& pack = row.pack;
  pack.description.id = rows.id<PackId>(0);
  pack.trusted = rows.integer(1) != 0;
  pack.author = rows.array<32>(2);
  pack.entry = rows.array<32>(3);
  pack.description.kind = PackKind{rows.number<std::uint8_t>(4)};
  pack.description.stored_bytes = rows.number<std::uint64_t>(5);
  auto sources = database.query(
      "SELECT r.name FROM source s LEFT JOIN record r ON r.id = s.record WHERE s.pack = ?1 "
      "ORDER BY r.name");
  sources.bind(row.row);
  while (sources.step()) pack.records.push_back(sources.id<RecordId>(0));
  if (pack.records.empty()) throw_damaged("a pack is named by no record");
  VouchedBlocks vouched = read_vouched(database, pack.description.id, pack.entry);
  pack.all_vouched = vouched.all;
  pack.vouched_blocks = std::move(vouched.blocks);
  if (with_blocks) {
    pack.description.blocks =
        read_blocks(database, rows.integer(kPackColumns + 1), rows.integer(kPackColumns + 2));
  }
  return row;
}

}  // namespace

IndexTotals read_totals(Database& database) {
  auto row =
      database.query("SELECT records, packs, blocks, chunks, stored_bytes, plain_bytes FROM total");
  if (!row.step()) throw_damaged("the totals are lost");
  return {row.number<std::uint64_t>(0), row.number<std::uint64_t>(1), row.number<std::uint64_t>(2),
          row.number<std::uint64_t>(3), row.number<std::uint64_t>(4), row.number<std::uint64_t>(5)};
}

// The number of chunks as a size for the filter. A damaged number would claim the whole disk; no
// entry takes less than 36 bytes of the database.
std::uint64_t count_keys(Database& database) {
  auto pages = database.query("PRAGMA page_count");
  pages.step();
  auto page_size = database.query("PRAGMA page_size");
  page_size.step();
  const std::uint64_t chunks = read_totals(database).chunks;
  if (chunks > pages.number<std::uint64_t>(0) * page_size.number<std::uint64_t>(0) / 36) {
    throw_damaged("the number of chunks cannot be");
  }
  return chunks;
}

std::vector<RecordId> read_records(Database& database) {
  std::vector<RecordId> records;
  std::uint64_t sum = 0;
  auto rows = database.query("SELECT name FROM record");
  while (rows.step()) {
    records.push_back(rows.id<RecordId>(0));
    sum += row_hash({records.back().view()});
  }
  check_sum(database, sum, 0);
  return records;
}

std::vector<IndexedRecord> read_record_list(Database& database) {
  std::vector<IndexedRecord> records;
  std::uint64_t sum = 0;
  auto rows = database.query(
      "SELECT r.name, a.key, r.trusted, r.session, r.time_s, r.time_ns, r.stored_bytes, r.revoked, "
      "r.supersedes, EXISTS (SELECT 1 FROM fact WHERE kind = 5 AND subject = r.name) FROM record r "
      "LEFT JOIN "
      "author a ON a.id = r.author");
  while (rows.step()) {
    IndexedRecord record;
    record.id = rows.id<RecordId>(0);
    sum += row_hash({record.id.view()});
    record.author = rows.array<32>(1);
    record.role = rows.integer(2) != 0 ? Role::full : Role::ingest;
    record.session = rows.array<std::tuple_size_v<SessionId>>(3);
    record.time = {rows.integer(4), rows.number<std::uint32_t>(5)};
    record.stored_bytes = rows.number<std::uint64_t>(6);
    record.revoked = rows.integer(7) != 0;
    record.supersedes = rows.integer(8) != 0;
    record.superseded = rows.integer(9) != 0;
    records.push_back(record);
  }
  check_sum(database, sum, 0);
  return records;
}

Supported read_supported(Database& database) {
  auto row = database.query(
      "SELECT coalesce(min(supported & 1), 1), coalesce(min(supported >> 1), 1) FROM record r "
      "WHERE r.trusted AND NOT EXISTS (SELECT 1 FROM fact WHERE kind = 5 AND subject = r.name)");
  row.step();
  return {.add = row.integer(0) != 0, .maintain = row.integer(1) != 0};
}

std::vector<RecordId> read_record_heads(Database& database) {
  std::vector<RecordId> heads;
  auto rows = database.query("SELECT name FROM record WHERE head ORDER BY name");
  while (rows.step()) heads.push_back(rows.id<RecordId>(0));
  return heads;
}

std::vector<SnapshotId> unclaimed_snapshots(Database& database,
                                            const std::vector<SnapshotId>& listed,
                                            bool by_full_author) {
  std::vector<SnapshotId> heads;
  auto claimed =
      database.query("SELECT 1 FROM claim WHERE name = ?1 AND snapshot = 1 AND trusted >= ?2");
  for (const SnapshotId& id : listed) {
    if (!claimed.bind(id, by_full_author).step()) heads.push_back(id);
    claimed.reset();
  }
  return heads;
}

std::vector<IndexCache::Claim> read_claims(Database& database) {
  std::vector<IndexCache::Claim> claims;
  std::uint64_t sum = 0;
  auto rows = database.query("SELECT name, snapshot, trusted FROM claim");
  while (rows.step()) {
    const bool snapshot = rows.integer(1) != 0;
    const bool trusted = rows.integer(2) != 0;
    claims.push_back({rows.id<ObjectId>(0), snapshot, trusted});
    sum += claim_hash(claims.back().id.view(), snapshot, trusted);
  }
  check_sum(database, sum, 1);
  return claims;
}

std::vector<ChunkPlace> find_places(Database& database, BlockRowCache& blocks, const ChunkId& id) {
  // Left joins: a row that leads nowhere is damage, not absence. The block's chunks are not asked
  // for here: SQLite would read them all.
  auto rows = database.query(
      "SELECT " VGERFS_PACK_COLUMNS ", b.id, b.crc, " VGERFS_BLOCK_VOUCHED
      ", " VGERFS_PACK_CONDEMNED
      " FROM chunk c LEFT JOIN block b ON b.id = c.block LEFT JOIN pack p ON p.id = b.pack "
      "LEFT JOIN author a ON a.id = p.author WHERE c.prefix = ?1 ORDER BY c.block");
  rows.bind(row_prefix(id));
  std::vector<ChunkPlace> places;
  while (rows.step()) {
    auto block = read_block_row(database, blocks, rows.integer(kPackColumns),
                                rows.integer(kPackColumns + 1));
    const auto position = position_in(*block, id);
    if (!position) continue;
    ChunkPlace place;
    place.pack = rows.id<PackId>(0);
    for (std::uint32_t i = 0; i < *position; ++i) place.offset += block->chunks[i].plain_bytes;
    place.block = std::move(block);
    place.position = *position;
    place.vouched = rows.integer(kPackColumns + 2) != 0;
    place.trusted = rows.integer(1) != 0 || place.vouched;
    place.condemned = rows.integer(kPackColumns + 3) != 0;
    place.author = rows.array<32>(2);
    place.entry = rows.array<32>(3);
    check_pack_row(rows, 0);
    places.push_back(std::move(place));
  }
  // Trusted before others, and among them what will stay before what is condemned.
  std::stable_sort(places.begin(), places.end(), [](const ChunkPlace& a, const ChunkPlace& b) {
    return std::pair{!a.trusted, a.condemned} < std::pair{!b.trusted, b.condemned};
  });
  return places;
}

std::optional<PackId> find_usable_pack(Database& database, const ChunkId& id,
                                       const crypto::PublicKey& author, DedupPolicy policy) {
  auto rows = database.query(
      "SELECT b.ids, p.name FROM chunk c CROSS JOIN block b ON b.id = c.block CROSS JOIN pack p ON "
      "p.id = b.pack WHERE c.prefix = ?1 AND (?2 OR p.trusted OR p.author = (SELECT id FROM author "
      "WHERE key = ?3) OR " VGERFS_BLOCK_VOUCHED ") AND NOT " VGERFS_PACK_CONDEMNED);
  rows.bind(row_prefix(id), policy == DedupPolicy::all, author);
  while (rows.step()) {
    if (position_in(rows.blob(0), id)) return rows.id<PackId>(1);
  }
  return std::nullopt;
}

std::vector<PackRow> read_packs(Database& database, std::int64_t after, std::int64_t count,
                                bool with_blocks) {
  std::vector<PackRow> packs;
  auto rows = database.query("SELECT " VGERFS_PACK_ROW
                             " FROM pack p LEFT JOIN author a ON a.id = p.author "
                             "WHERE p.id > ?1 ORDER BY p.id LIMIT ?2");
  rows.bind(after, count);
  while (rows.step()) packs.push_back(read_pack_row(database, rows, with_blocks));
  return packs;
}

std::vector<IndexedPack> find_pack_entries(Database& database, const PackId& id) {
  std::vector<IndexedPack> packs;
  auto rows = database.query("SELECT " VGERFS_PACK_ROW
                             " FROM pack p LEFT JOIN author a ON a.id = p.author "
                             "WHERE p.name = ?1 ORDER BY p.digest");
  rows.bind(id);
  while (rows.step()) packs.push_back(read_pack_row(database, rows, true).pack);
  return packs;
}

RepeatedStep read_repeated(Database& database, std::optional<std::int64_t> after) {
  constexpr int kRows = 256 * 1024;
  RepeatedStep step;
  auto rows = database.query(
      "SELECT prefix, count(*) FROM (SELECT prefix FROM chunk WHERE prefix > ?1 OR ?2 ORDER BY "
      "prefix LIMIT ?3) GROUP BY prefix ORDER BY prefix");
  rows.bind(after.value_or(0), !after, kRows);
  std::int64_t seen = 0;
  bool last_is_repeated = false;
  while (rows.step()) {
    step.last = rows.integer(0);
    seen += rows.integer(1);
    last_is_repeated = rows.integer(1) > 1;
    if (last_is_repeated) step.repeated.push_back(*step.last);
  }
  if (seen < kRows) {
    step.last.reset();
  } else if (!last_is_repeated) {
    step.repeated.push_back(*step.last);  // its rows may go on beyond the step
  }
  return step;
}

void check_packs(Database& database) {
  auto sums = database.query(
      "SELECT count(*), coalesce(sum(blocks), 0), (SELECT count(*) FROM block), "
      "(SELECT count(*) FROM record) FROM pack");
  sums.step();
  const IndexTotals totals = read_totals(database);
  if (sums.number<std::uint64_t>(0) != totals.packs ||
      sums.number<std::uint64_t>(1) != totals.blocks ||
      sums.number<std::uint64_t>(2) != totals.blocks ||
      sums.number<std::uint64_t>(3) != totals.records) {
    throw_damaged("the totals are wrong");
  }
}

std::optional<std::int64_t> check_blocks(Database& database, std::int64_t after,
                                         std::int64_t count) {
  std::optional<std::int64_t> last;
  // Differences are SQLite's business: a damaged number may overflow.
  auto rows = database.query(
      "SELECT b.id, b.id >= p.first_block AND b.id - p.first_block < "
      "p.blocks, " VGERFS_BLOCK_COLUMNS
      " FROM block b LEFT JOIN pack p ON p.id = b.pack WHERE b.id > ?1 ORDER BY b.id LIMIT ?2");
  rows.bind(after, count);
  auto leads_here = database.query("SELECT 1 FROM chunk WHERE prefix = ?1 AND block = ?2");
  while (rows.step()) {
    last = rows.integer(0);
    if (rows.integer(1) == 0) throw_damaged("a block lies in no pack");
    for (const ChunkEntry& chunk : read_block(rows, 2).chunks) {
      if (!leads_here.bind(row_prefix(chunk.id), *last).step()) {
        throw_damaged("no row leads to a chunk");
      }
      leads_here.reset();
    }
  }
  return last;
}

}  // namespace vgerfs::repo
