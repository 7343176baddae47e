#include "repo/index_rows.h"

#include "base/sha256.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

void hash_fields(Sha256& hash, const BlockEntry& block, const BlockColumns& columns) {
  Bytes fixed;
  ByteWriter writer{fixed};
  writer.u32(block.offset);
  writer.u32(block.stored_bytes);
  writer.bytes(block.tag);
  writer.u8(static_cast<std::uint8_t>(block.chunk_kind));
  writer.u32(static_cast<std::uint32_t>(block.chunks.size()));
  hash.update(fixed);
  hash.update(columns.ids);
  hash.update(columns.lengths);
}

std::int64_t check_of(const BlockEntry& block, const BlockColumns& columns) {
  Sha256 hash;
  hash_fields(hash, block, columns);
  const Sha256Digest digest = hash.finish();
  return static_cast<std::int64_t>(ByteReader{digest, "a digest"}.u64());
}

void pack_chunks(const std::vector<ChunkEntry>& chunks, BlockColumns& columns) {
  columns.ids.clear();
  columns.lengths.clear();
  ByteWriter lengths{columns.lengths};
  for (const ChunkEntry& chunk : chunks) {
    append(columns.ids, chunk.id.view());
    lengths.u32(chunk.plain_bytes);
  }
}

}  // namespace

const DatabaseKind kIndexDatabase{
    .name = "index cache",
    .schema = R"(
      CREATE TABLE total(
        records INTEGER NOT NULL, packs INTEGER NOT NULL, blocks INTEGER NOT NULL,
        chunks INTEGER NOT NULL, stored_bytes INTEGER NOT NULL, plain_bytes INTEGER NOT NULL,
        record_sum INTEGER NOT NULL, claim_sum INTEGER NOT NULL, removal_sum INTEGER NOT NULL) STRICT;
      INSERT INTO total VALUES (0, 0, 0, 0, 0, 0, 0, 0, 0);
      CREATE TABLE author(id INTEGER PRIMARY KEY, key BLOB NOT NULL UNIQUE) STRICT;
      CREATE TABLE record(
        id INTEGER PRIMARY KEY, name BLOB NOT NULL UNIQUE, author INTEGER NOT NULL, trusted INTEGER NOT NULL,
        time_s INTEGER NOT NULL, time_ns INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        head INTEGER NOT NULL) STRICT;
      CREATE INDEX record_head ON record(name) WHERE head;
      CREATE TABLE claim(
        name BLOB NOT NULL, snapshot INTEGER NOT NULL, trusted INTEGER NOT NULL,
        PRIMARY KEY(name, snapshot)) WITHOUT ROWID, STRICT;
      CREATE TABLE removal(
        snapshot BLOB NOT NULL, record INTEGER NOT NULL, time_s INTEGER NOT NULL,
        PRIMARY KEY(snapshot, record)) WITHOUT ROWID, STRICT;
      CREATE TABLE pack(
        id INTEGER PRIMARY KEY, name BLOB NOT NULL, author INTEGER NOT NULL, digest BLOB NOT NULL,
        record INTEGER NOT NULL, trusted INTEGER NOT NULL, kind INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        first_block INTEGER NOT NULL, blocks INTEGER NOT NULL, crc INTEGER NOT NULL,
        UNIQUE(name, author, digest)) STRICT;
      CREATE TABLE block(
        id INTEGER PRIMARY KEY, pack INTEGER NOT NULL, offset INTEGER NOT NULL, stored_bytes INTEGER NOT NULL,
        tag BLOB NOT NULL, kind INTEGER NOT NULL, crc INTEGER NOT NULL, ids BLOB NOT NULL,
        lengths BLOB NOT NULL) STRICT;
      CREATE TABLE chunk(
        prefix INTEGER NOT NULL, block INTEGER NOT NULL, PRIMARY KEY(prefix, block)) WITHOUT ROWID, STRICT;
    )",
    .version = 1,
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
  pack_chunks(block.chunks, *this);
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
  pack_chunks(block.chunks, columns);
  if (check_of(block, columns) != row.integer(first_column + 6)) {
    throw Error{ErrorCode::corrupt, "a block's row was changed"};
  }
  return block;
}

EntryDigest entry_digest(const PackDescription& pack) {
  Sha256 hash;
  Bytes fixed;
  ByteWriter writer{fixed};
  writer.u8(static_cast<std::uint8_t>(pack.kind));
  writer.u64(pack.stored_bytes);
  writer.u64(pack.blocks.size());
  hash.update(fixed);
  BlockColumns columns;
  for (const BlockEntry& block : pack.blocks) {
    pack_chunks(block.chunks, columns);
    hash_fields(hash, block, columns);
  }
  return hash.finish();
}

}  // namespace vgerfs::repo
