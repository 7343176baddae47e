#include "repo/entry_digest.h"

namespace vgerfs::repo {

void hash_block(Sha256& hash, const BlockEntry& block, ByteView ids, ByteView lengths) {
  Bytes fixed;
  ByteWriter writer{fixed};
  writer.u32(block.offset);
  writer.u32(block.stored_bytes);
  writer.bytes(block.tag);
  writer.u8(static_cast<std::uint8_t>(block.chunk_kind));
  writer.u32(static_cast<std::uint32_t>(block.chunks.size()));
  hash.update(fixed);
  hash.update(ids);
  hash.update(lengths);
}

void chunk_columns(const BlockEntry& block, Bytes& ids, Bytes& lengths) {
  ids.clear();
  lengths.clear();
  ByteWriter writer{lengths};
  for (const ChunkEntry& chunk : block.chunks) {
    append(ids, chunk.id.view());
    writer.u32(chunk.plain_bytes);
  }
}

EntryDigest entry_digest(const PackDescription& pack) {
  Sha256 hash;
  Bytes fixed;
  ByteWriter writer{fixed};
  writer.u8(static_cast<std::uint8_t>(pack.kind));
  writer.u64(pack.stored_bytes);
  writer.u64(pack.blocks.size());
  hash.update(fixed);
  Bytes ids;
  Bytes lengths;
  for (const BlockEntry& block : pack.blocks) {
    chunk_columns(block, ids, lengths);
    hash_block(hash, block, ids, lengths);
  }
  return hash.finish();
}

}  // namespace vgerfs::repo
