#include "repo/index_rows.h"

#include "base/sha256.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

std::int64_t check_of(const BlockEntry& block, const BlockColumns& columns) {
  Sha256 hash;
  hash_block(hash, block, columns.ids, columns.lengths);
  const Sha256Digest digest = hash.finish();
  return static_cast<std::int64_t>(ByteReader{digest, "a digest"}.u64());
}

}  // namespace

const DatabaseKind kIndexDatabase{
    .name = "index cache",
    .schema = R"(
      CREATE TABLE total(
        records INTEGER NOT NULL, packs INTEGER NOT NULL, blocks INTEGER NOT NULL,
        chunks INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, plain_bytes INTEGER NOT NULL,
        record_sum INTEGER NOT NULL, claim_sum INTEGER NOT NULL) STRICT;
      INSERT INTO total VALUES (0, 0, 0, 0, 0, 0, 0, 0);
      CREATE TABLE author(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE) STRICT;
      CREATE TABLE record(
        id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, author INTEGER NOT NULL, trusted INTEGER NOT NULL,
        session BLOB NOT NULL, time_s INTEGER NOT NULL, time_ns INTEGER NOT NULL,
        stored_bytes INTEGER NOT NULL, supported INTEGER NOT NULL, revoked INTEGER NOT NULL,
        supersedes INTEGER NOT NULL, head INTEGER NOT NULL) STRICT;
      CREATE INDEX record_head ON record(name) WHERE head;
      CREATE INDEX record_author ON record(author) WHERE NOT trusted;
      CREATE TABLE claim(
        name BLOB NOT NULL, snapshot INTEGER NOT NULL, trusted INTEGER NOT NULL,
        PRIMARY KEY(name, snapshot)) WITHOUT ROWID, STRICT;
      CREATE TABLE fact(
        kind INTEGER NOT NULL, subject BLOB NOT NULL, origin BLOB NOT NULL, value INTEGER NOT NULL,
        data BLOB NOT NULL, PRIMARY KEY(kind, subject, origin, value, data)) WITHOUT ROWID, STRICT;
      CREATE TABLE fact_sum(kind INTEGER PRIMARY KEY, sum INTEGER NOT NULL) STRICT;
      CREATE TABLE pack(
        id INTEGER PRIMARY KEY, name BLOB NOT NULL, author INTEGER NOT NULL, digest BLOB NOT NULL,
        trusted INTEGER NOT NULL, kind INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        first_block INTEGER NOT NULL, blocks INTEGER NOT NULL, crc INTEGER NOT NULL,
        UNIQUE(name, author, digest)) STRICT;
      CREATE TABLE source(
        pack INTEGER NOT NULL, record INTEGER NOT NULL, PRIMARY KEY(pack, record)) WITHOUT ROWID, STRICT;
      CREATE INDEX source_record ON source(record);
      CREATE TABLE block(
        id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        tag BLOB NOT NULL, kind INTEGER NOT NULL, crc INTEGER NOT NULL, ids BLOB NOT NULL,
        lengths BLOB NOT NULL) STRICT;
      CREATE TABLE chunk(
        prefix INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY(prefix, block)) WITHOUT ROWID, STRICT;
    )",
    .version = 2,
    .disposable = true,
};

std::int64_t row_prefix(const ChunkId& id) noexcept {
  return static_cast<std::int64_t>(id.prefix());
}

std::uint64_t claim_hash(ByteView name, bool snapshot, bool trusted) {
  const std::array flags{std::byte{snapshot}, std::byte{trusted}};
  return row_hash({name, flags});
}

std::int64_t pack_check(const PackDescription& pack, const crypto::PublicKey& author, bool trusted,
                        const EntryDigest& digest) {
  Bytes numbers;
  ByteWriter writer{numbers};
  writer.u8(trusted ? 1 : 0);
  writer.u8(static_cast<std::uint8_t>(pack.kind));
  writer.u64(pack.stored_bytes);
  return static_cast<std::int64_t>(row_hash({pack.id.view(), author, numbers, digest}));
}

void check_pack_row(const Statement& row, int first_column) {
  PackDescription pack;
  pack.id = row.id<PackId>(first_column);
  pack.kind = PackKind{row.number<std::uint8_t>(first_column + 4)};
  pack.stored_bytes = row.number<std::uint64_t>(first_column + 5);
  const auto check =
      pack_check(pack, row.array<32>(first_column + 2), row.integer(first_column + 1) != 0,
                 row.array<32>(first_column + 3));
  if (check != row.integer(first_column + 6)) {
    throw Error{ErrorCode::corrupt, "a pack's row was changed"};
  }
}

void BlockColumns::assign(const BlockEntry& block) {
  chunk_columns(block, ids, lengths);
  check = check_of(block, *this);
}

BlockEntry read_block(const Statement& row, int first_column) {
  BlockEntry block;
  block.offset = row.number<std::uint32_t>(first_column);
  block.stored_bytes = row.number<std::uint32_t>(first_column + 1);
  block.tag = row.array<crypto::kAeadTagBytes>(first_column + 2);
  block.chunk_kind = ChunkKind{row.number<std::uint8_t>(first_column + 3)};
  const ByteView ids = row.blob(first_column + 4);
  const ByteView lengths = row.blob(first_column + 5);
  const std::size_t count = lengths.size() / 4;
  if (count > kMaxBlockChunks || lengths.size() % 4 != 0 || ids.size() != count * ChunkId::kSize) {
    throw Error{ErrorCode::corrupt, "a block's columns do not fit together"};
  }
  block.chunks.resize(count);
  ByteReader reader{lengths, "a block's lengths"};
  for (std::size_t i = 0; i < count; ++i) {
    block.chunks[i].id = ChunkId::from_bytes(ids.subspan(i * ChunkId::kSize, ChunkId::kSize));
    block.chunks[i].plain_bytes = reader.u32();
  }
  BlockColumns columns;
  chunk_columns(block, columns.ids, columns.lengths);
  if (check_of(block, columns) != row.integer(first_column + 6)) {
    throw Error{ErrorCode::corrupt, "a block's row was changed"};
  }
  return block;
}

}  // namespace vgerfs::repo
