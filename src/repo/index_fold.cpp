#include "repo/index_fold.h"

#include <algorithm>
#include <tuple>
#include <utility>

#include "repo/index_fact_rows.h"
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
    author_ = author_row(record_.author.author);
    row_ = insert_record(stored_bytes);
    record_sum_ += row_hash({name_.view()});
    auto next = database_.query("SELECT coalesce(max(id), 0) + 1 FROM block");
    next.step();
    next_block_ = next.integer(0);
  }

  std::vector<std::uint64_t> run() {
    for (const RecordId& id : record_.after_records) claim(id.view(), false);
    for (const SnapshotId& id : record_.after_snapshots) claim(id.view(), true);
    for_each_fact_row(name_, record_.facts, [&](const FactRow& fact) {
      if (trusted_ || fact.kind == FactKind::revocation) add_fact(fact);
    });
    if (!revoked_) {
      for (const PackDescription& pack : record_.packs) fold_pack(pack, record_.author);
      for (const CarriedAdditions& carried : record_.carried) {
        for (const PackDescription& pack : carried.packs) fold_pack(pack, carried.author);
      }
    }
    insert_chunks();
    update_totals();
    return std::move(keys_);
  }

 private:
  struct Entry {
    std::int64_t row;
    std::int64_t author;
    bool trusted;
    EntryDigest digest;
  };
  struct ChunkRow {
    std::int64_t prefix;
    std::int64_t block;
    // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
    friend auto operator<=>(const ChunkRow&, const ChunkRow&) = default;
  };

  std::int64_t author_row(const crypto::PublicKey& author) {
    database_.query("INSERT OR IGNORE INTO author(key) VALUES (?1)").bind(author).run();
    auto query = database_.query("SELECT id FROM author WHERE key = ?1");
    query.bind(author).step();
    return query.integer(0);
  }

  std::int64_t insert_record(std::uint64_t stored_bytes) {
    revoked_ = !trusted_ && is_revoked(record_.author.author, name_);
    // Only an author of at least equal trust takes a record from the heads (FORMAT.md section 9.4).
    auto insert = database_.query(
        "INSERT INTO record(name, author, trusted, session, time_s, time_ns, stored_bytes, "
        "supported, revoked, supersedes, head) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, "
        "NOT "
        "EXISTS (SELECT 1 FROM claim WHERE name = ?1 AND snapshot = 0 AND trusted >= ?3) AND NOT "
        "EXISTS (SELECT 1 "
        "FROM fact WHERE kind = 5 AND subject = ?1)) RETURNING id");
    const int supported = (record_.supported.add ? 1 : 0) | (record_.supported.maintain ? 2 : 0);
    insert
        .bind(name_, author_, trusted_, record_.session, record_.time.s, record_.time.ns,
              stored_bytes, supported, revoked_, !record_.facts.supersedes.empty())
        .step();
    return insert.integer(0);
  }

  /// An object counts if every revocation of its author lets it survive.
  bool is_revoked(const crypto::PublicKey& author, const RecordId& record) {
    auto rows = database_.query("SELECT data FROM fact WHERE kind = 8 AND subject = ?1");
    rows.bind(author);
    while (rows.step()) {
      if (!survives(rows.blob(0), record)) return true;
    }
    return false;
  }

  static bool survives(ByteView revocation, const RecordId& record) {
    ByteReader reader{revocation, "a revocation's row"};
    reader.bytes(std::tuple_size_v<crypto::Signature>);
    while (reader.left() > 0) {
      if (RecordId{reader.array<RecordId::kSize>()} == record) return true;
    }
    return false;
  }

  void read_sums() {
    auto row = database_.query("SELECT record_sum, claim_sum FROM total");
    row.step();
    record_sum_ = static_cast<std::uint64_t>(row.integer(0));
    claim_sum_ = static_cast<std::uint64_t>(row.integer(1));
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
    if (!snapshot) {
      database_.query("UPDATE record SET head = 0 WHERE name = ?1 AND trusted <= ?2")
          .bind(name, trusted_)
          .run();
    }
  }

  void add_fact(const FactRow& fact) {
    if (!insert_fact(database_, fact)) return;
    switch (fact.kind) {
      case FactKind::superseded:
        database_.query("UPDATE record SET head = 0 WHERE name = ?1").bind(fact.subject).run();
        break;
      case FactKind::buried: bury(PackId{fact.subject.bytes()}); break;
      case FactKind::revocation: revoke(fact); break;
      case FactKind::removal:
      case FactKind::condemnation:
      case FactKind::undo:
      case FactKind::vouch:
      case FactKind::annotation: break;  // read when asked for
    }
  }

  void bury(const PackId& pack) {
    for (const Entry& entry : entries_of(pack)) remove_entry(entry.row);
  }

  void revoke(const FactRow& fact) {
    std::vector<std::int64_t> hit;
    {
      auto rows = database_.query(
          "SELECT r.id, r.name FROM record r, author a WHERE a.key = ?1 AND r.author = a.id AND "
          "NOT r.trusted AND NOT r.revoked");
      rows.bind(fact.subject);
      while (rows.step()) {
        if (!survives(fact.data, rows.id<RecordId>(1))) hit.push_back(rows.integer(0));
      }
    }
    for (const std::int64_t record : hit) {
      if (record == row_) revoked_ = true;
      database_.query("UPDATE record SET revoked = 1 WHERE id = ?1").bind(record).run();
      database_.query("DELETE FROM source WHERE record = ?1").bind(record).run();
    }
    if (hit.empty()) return;
    std::vector<std::int64_t> lost;
    {
      auto rows = database_.query(
          "SELECT p.id FROM pack p, author a WHERE a.key = ?1 AND p.author = a.id AND NOT EXISTS "
          "(SELECT 1 FROM source s WHERE s.pack = p.id)");
      rows.bind(fact.subject);
      while (rows.step()) lost.push_back(rows.integer(0));
    }
    for (const std::int64_t entry : lost) remove_entry(entry);
  }

  std::vector<Entry> entries_of(const PackId& pack) {
    std::vector<Entry> entries;
    auto query = database_.query("SELECT id, author, trusted, digest FROM pack WHERE name = ?1");
    query.bind(pack);
    while (query.step()) {
      entries.push_back(
          {query.integer(0), query.integer(1), query.integer(2) != 0, query.array<32>(3)});
    }
    return entries;
  }

  void fold_pack(const PackDescription& pack, const Certificate& author) {
    if (is_fact(database_, FactKind::buried, pack.id.view())) return;
    const bool trusted = author.role == Role::full;
    const std::int64_t author_id = author_row(author.author);
    const auto digest = entry_digest(pack);
    for (const Entry& entry : entries_of(pack.id)) {
      if (entry.trusted && !trusted) return;
      if (trusted && !entry.trusted) {
        remove_entry(entry.row);
      } else if (entry.author == author_id && entry.digest == digest) {
        add_source(entry.row);
        return;
      }
    }
    insert_entry(pack, author, author_id, digest);
  }

  void add_source(std::int64_t entry) {
    database_.query("INSERT OR IGNORE INTO source VALUES (?1, ?2)").bind(entry, row_).run();
  }

  void insert_entry(const PackDescription& pack, const Certificate& author, std::int64_t author_id,
                    const EntryDigest& digest) {
    const bool trusted = author.role == Role::full;
    auto insert = database_.query(
        "INSERT INTO pack(name, author, digest, trusted, kind, stored_bytes, first_block, blocks, "
        "crc) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) RETURNING id");
    insert
        .bind(pack.id, author_id, digest, trusted, static_cast<std::uint8_t>(pack.kind),
              pack.stored_bytes, next_block_, pack.blocks.size(),
              pack_check(pack, author.author, trusted, digest))
        .step();
    const std::int64_t pack_row = insert.integer(0);
    add_source(pack_row);
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

  void remove_entry(std::int64_t row) {
    insert_chunks();  // those of this record may be among what is removed
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
        --chunk_count_;
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
    database_.query("DELETE FROM source WHERE pack = ?1").bind(row).run();
    auto remove = database_.query("DELETE FROM pack WHERE id = ?1 RETURNING stored_bytes");
    remove.bind(row).step();
    stored_bytes_ -= remove.integer(0);
    --packs_;
  }

  // In the order of the table: neighbours share a page.
  void insert_chunks() {
    std::sort(chunks_.begin(), chunks_.end());
    auto insert = database_.query("INSERT OR IGNORE INTO chunk VALUES (?1, ?2)");
    for (const ChunkRow& chunk : chunks_) {
      insert.bind(chunk.prefix, chunk.block).run();
      keys_.push_back(static_cast<std::uint64_t>(chunk.prefix));
    }
    chunk_count_ += static_cast<std::int64_t>(chunks_.size());
    chunks_.clear();
  }

  void update_totals() {
    database_
        .query(
            "UPDATE total SET records = records + 1, packs = packs + ?1, blocks = blocks + ?2, "
            "chunks = chunks + ?3, stored_bytes = stored_bytes + ?4, plain_bytes = plain_bytes + "
            "?5, record_sum = ?6, claim_sum = ?7")
        .bind(packs_, blocks_, chunk_count_, stored_bytes_, plain_bytes_, record_sum_, claim_sum_)
        .run();
  }

  Database& database_;
  const RecordId& name_;
  const IndexRecord& record_;
  const bool trusted_;
  std::int64_t author_ = 0;
  std::int64_t row_ = 0;
  std::int64_t next_block_ = 0;
  bool revoked_ = false;
  std::vector<ChunkRow> chunks_;     // not inserted yet
  std::vector<std::uint64_t> keys_;  // of those that were
  BlockColumns columns_;
  std::uint64_t record_sum_ = 0;
  std::uint64_t claim_sum_ = 0;
  // Changes of the totals; they may be negative.
  std::int64_t packs_ = 0;
  std::int64_t blocks_ = 0;
  std::int64_t chunk_count_ = 0;
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
