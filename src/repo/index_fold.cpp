#include "repo/index_fold.h"

#include <algorithm>

#include "repo/index_rows.h"

namespace vgerfs::repo {
namespace {

class RecordFold {
 public:
  RecordFold(Database& database, const RecordId& id, const IndexRecord& record,
             std::uint64_t stored_bytes)
      : database_(database),
        name_(id),
        record_(record),
        trusted_(record.author.role == Role::full) {
    read_sums();
    author_ = author_row();
    row_ = insert_record(stored_bytes);
    record_sum_ += row_hash({name_.view()});
    auto next = database_.query("SELECT coalesce(max(id), 0) + 1 FROM block");
    next.step();
    next_block_ = next.integer(0);
  }

  std::vector<std::uint64_t> run() {
    for (const RecordId& id : record_.after_records) {
      claim(id.view(), false);
      database_.query("UPDATE record SET head = 0 WHERE name = ?1").bind(id).run();
    }
    for (const SnapshotId& id : record_.after_snapshots) claim(id.view(), true);
    if (trusted_) {
      for (const SnapshotRemoval& removal : record_.removals) remove_snapshot(removal);
    }
    for (const PackDescription& pack : record_.packs) fold_pack(pack);
    insert_chunks();
    update_totals();
    return keys();
  }

 private:
  struct Entry {
    std::int64_t row;
    std::int64_t author;
    bool trusted;
    EntryDigest digest;
    RecordId record;
  };
  struct ChunkRow {
    std::int64_t prefix;
    std::int64_t block;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
    friend auto operator<=>(const ChunkRow&, const ChunkRow&) = default;
  };

  std::int64_t author_row() {
    database_.query("INSERT OR IGNORE INTO author(key) VALUES (?1)")
        .bind(record_.author.author)
        .run();
    auto query = database_.query("SELECT id FROM author WHERE key = ?1");
    query.bind(record_.author.author).step();
    return query.integer(0);
  }

  std::int64_t insert_record(std::uint64_t stored_bytes) {
    auto insert = database_.query(
        "INSERT INTO record(name, author, trusted, time_s, time_ns, stored_bytes, head) VALUES "
        "(?1, ?2, ?3, ?4, ?5, ?6, NOT EXISTS (SELECT 1 FROM claim WHERE name = ?1 AND snapshot = "
        "0)) RETURNING id");
    insert.bind(name_, author_, trusted_, record_.time.s, record_.time.ns, stored_bytes).step();
    return insert.integer(0);
  }

  void read_sums() {
    auto row = database_.query("SELECT record_sum, claim_sum, removal_sum FROM total");
    row.step();
    record_sum_ = static_cast<std::uint64_t>(row.integer(0));
    claim_sum_ = static_cast<std::uint64_t>(row.integer(1));
    removal_sum_ = static_cast<std::uint64_t>(row.integer(2));
  }

  void claim(ByteView name, bool snapshot) {
    bool known = false;
    bool known_trusted = false;
    {
      auto row = database_.query("SELECT trusted FROM claim WHERE name = ?1 AND snapshot = ?2");
      known = row.bind(name, snapshot).step();
      known_trusted = known && row.integer(0) != 0;
    }
    if (known && (known_trusted || !trusted_)) return;
    if (known) claim_sum_ -= claim_hash(name, snapshot, false);
    claim_sum_ += claim_hash(name, snapshot, trusted_);
    database_.query("INSERT OR REPLACE INTO claim VALUES (?1, ?2, ?3)")
        .bind(name, snapshot, trusted_)
        .run();
  }

  void remove_snapshot(const SnapshotRemoval& removal) {
    auto insert =
        database_.query("INSERT OR IGNORE INTO removal VALUES (?1, ?2, ?3) RETURNING record");
    if (insert.bind(removal.snapshot, row_, removal.time_s).step()) {
      removal_sum_ += row_hash({removal.snapshot.view()});
    }
  }

  std::vector<Entry> entries_of(const PackId& pack) {
    std::vector<Entry> entries;
    auto query = database_.query(
        "SELECT p.id, p.author, p.trusted, p.digest, r.name FROM pack p "
        "LEFT JOIN record r ON r.id = p.record WHERE p.name = ?1");
    query.bind(pack);
    while (query.step()) {
      entries.push_back({query.integer(0), query.integer(1), query.integer(2) != 0,
                         query.array<32>(3), query.id<RecordId>(4)});
    }
    return entries;
  }

  void fold_pack(const PackDescription& pack) {
    const auto digest = entry_digest(pack);
    for (const Entry& entry : entries_of(pack.id)) {
      if (entry.trusted && !trusted_) return;
      if (trusted_ && !entry.trusted) {
        remove_entry(entry.row);
      } else if (entry.author == author_ && entry.digest == digest) {
        if (name_ < entry.record) {
          database_.query("UPDATE pack SET record = ?2 WHERE id = ?1").bind(entry.row, row_).run();
        }
        return;
      }
    }
    insert_entry(pack, digest);
  }

  void insert_entry(const PackDescription& pack, const EntryDigest& digest) {
    auto insert = database_.query(
        "INSERT INTO pack(name, author, digest, record, trusted, kind, stored_bytes, first_block, "
        "blocks, crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10) RETURNING id");
    insert
        .bind(pack.id, author_, digest, row_, trusted_, static_cast<std::uint8_t>(pack.kind),
              pack.stored_bytes, next_block_, pack.blocks.size(),
              pack_check(pack, record_.author.author, trusted_, digest))
        .step();
    const std::int64_t pack_row = insert.integer(0);
    ++packs_;
    stored_bytes_ += static_cast<std::int64_t>(pack.stored_bytes);
    auto insert_block = database_.query(
        "INSERT INTO block(id, pack, offset, stored_bytes, tag, kind, crc, ids, lengths) "
        "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)");
    for (const BlockEntry& block : pack.blocks) {
      columns_.assign(block);
      insert_block
          .bind(next_block_, pack_row, block.offset, block.stored_bytes, block.tag,
                static_cast<std::uint8_t>(block.chunk_kind), columns_.check, columns_.ids,
                columns_.lengths)
          .run();
      for (const ChunkEntry& chunk : block.chunks) {
        chunks_.push_back({row_prefix(chunk.id), next_block_});
        plain_bytes_ += chunk.plain_bytes;
      }
      ++blocks_;
      ++next_block_;
    }
  }

  // Only an entry of an earlier record: those of this one have equal trust.
  void remove_entry(std::int64_t row) {
    auto query = database_.query("SELECT b.id, " VGERFS_BLOCK_COLUMNS
                                 " FROM block b, pack p WHERE p.id = ?1 AND b.id >= p.first_block "
                                 "AND b.id < p.first_block + p.blocks");
    query.bind(row);
    while (query.step()) {
      const std::int64_t id = query.integer(0);
      for (const ChunkEntry& chunk : read_block(query, 1).chunks) {
        database_.query("DELETE FROM chunk WHERE prefix = ?1 AND block = ?2")
            .bind(row_prefix(chunk.id), id)
            .run();
        --removed_chunks_;
        plain_bytes_ -= chunk.plain_bytes;
      }
      --blocks_;
    }
    query.reset();
    database_
        .query(
            "DELETE FROM block WHERE id >= (SELECT first_block FROM pack WHERE id = ?1) "
            "AND id < (SELECT first_block + blocks FROM pack WHERE id = ?1)")
        .bind(row)
        .run();
    auto remove = database_.query("DELETE FROM pack WHERE id = ?1 RETURNING stored_bytes");
    remove.bind(row).step();
    stored_bytes_ -= remove.integer(0);
    --packs_;
  }

  // In the order of the table: neighbours share a page.
  void insert_chunks() {
    std::sort(chunks_.begin(), chunks_.end());
    auto insert = database_.query("INSERT OR IGNORE INTO chunk VALUES (?1, ?2)");
    for (const ChunkRow& chunk : chunks_) insert.bind(chunk.prefix, chunk.block).run();
  }

  void update_totals() {
    database_
        .query(
            "UPDATE total SET records = records + 1, packs = packs + ?1, blocks = blocks + ?2, "
            "chunks = chunks + ?3, stored_bytes = stored_bytes + ?4, plain_bytes = plain_bytes + "
            "?5, record_sum = ?6, claim_sum = ?7, removal_sum = ?8")
        .bind(packs_, blocks_, removed_chunks_ + static_cast<std::int64_t>(chunks_.size()),
              stored_bytes_, plain_bytes_, record_sum_, claim_sum_, removal_sum_)
        .run();
  }

  std::vector<std::uint64_t> keys() const {
    std::vector<std::uint64_t> keys;
    keys.reserve(chunks_.size());
    for (const ChunkRow& chunk : chunks_) keys.push_back(static_cast<std::uint64_t>(chunk.prefix));
    return keys;
  }

  Database& database_;
  const RecordId& name_;
  const IndexRecord& record_;
  const bool trusted_;
  std::int64_t author_ = 0;
  std::int64_t row_ = 0;
  std::int64_t next_block_ = 0;
  std::vector<ChunkRow> chunks_;
  BlockColumns columns_;
  std::uint64_t record_sum_ = 0;
  std::uint64_t claim_sum_ = 0;
  std::uint64_t removal_sum_ = 0;
  // Changes of the totals; they may be negative.
  std::int64_t packs_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t removed_chunks_ = 0;
  std::int64_t stored_bytes_ = 0;
  std::int64_t plain_bytes_ = 0;
};

}  // namespace

bool is_folded(Database& database, const RecordId& id) {
  auto query = database.query("SELECT 1 FROM record WHERE name = ?1");
  return query.bind(id).step();
}

std::vector<std::uint64_t> fold_record(Database& database, const RecordId& id,
                                       const IndexRecord& record, std::uint64_t stored_bytes) {
  return RecordFold{database, id, record, stored_bytes}.run();
}

}  // namespace vgerfs::repo
