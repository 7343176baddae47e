#include "repo/pending_block.h"

#include <algorithm>
#include <utility>

namespace vgerfs::repo {
namespace {

/// Copies the one chunk: the builder goes on filling the block. With the block's mutex held.
ChunkView copy_plain_chunk(const PlainBlock& block, std::uint32_t position) {
  std::uint32_t offset = 0;
  for (std::uint32_t i = 0; i < position; ++i) offset += block.chunks[i].plain_bytes;
  const ChunkEntry& chunk = block.chunks[position];
  const ByteView bytes = block.bytes.view().subspan(offset, chunk.plain_bytes);
  auto decoded = std::make_shared<DecodedBlock>();
  decoded->entry.chunk_kind = block.kind;
  decoded->entry.chunks = {chunk};
  decoded->offsets = {0};
  decoded->plain.assign(bytes.begin(), bytes.end());
  return {decoded, decoded->plain};
}

}  // namespace

bool PendingTable::contains(const ChunkId& id) const {
  const Shard& shard = shard_of(id);
  const std::lock_guard lock{shard.mutex};
  return shard.chunks.contains(id);
}

bool PendingTable::add(const ChunkId& id, PendingChunk chunk) {
  Shard& shard = shard_of(id);
  const std::lock_guard lock{shard.mutex};
  return shard.chunks.try_emplace(id, std::move(chunk)).second;
}

void PendingTable::set(const ChunkId& id, PendingChunk chunk) {
  Shard& shard = shard_of(id);
  const std::lock_guard lock{shard.mutex};
  shard.chunks[id] = std::move(chunk);
}

void PendingTable::erase(const ChunkId& id) {
  Shard& shard = shard_of(id);
  const std::lock_guard lock{shard.mutex};
  shard.chunks.erase(id);
}

std::optional<PendingChunk> PendingTable::find(const ChunkId& id) const {
  const Shard& shard = shard_of(id);
  const std::lock_guard lock{shard.mutex};
  const auto at = shard.chunks.find(id);
  if (at == shard.chunks.end() || !at->second.block) return std::nullopt;
  return at->second;
}

ChunkView read_pending(const PendingChunk& chunk, backends::Backend& backend,
                       const Keyring& keyring) {
  PendingBlock& block = *chunk.block;
  auto decoded = std::make_shared<DecodedBlock>();
  Bytes stored;
  std::optional<PackId> stored_in;
  {
    const std::lock_guard lock{block.mutex};
    if (!block.pack) return copy_plain_chunk(block.plain, chunk.position);
    decoded->entry = block.entry;
    const std::lock_guard pack_lock{block.pack->mutex};
    stored.resize(block.entry.stored_bytes);
    if (block.pack->stored) {
      stored_in = block.pack->id;
    } else {
      const ByteView bytes =
          block.pack->bytes.view().subspan(block.entry.offset, block.entry.stored_bytes);
      std::copy(bytes.begin(), bytes.end(), stored.begin());
    }
  }
  if (stored_in) backend.read(format::pack_name(*stored_in), decoded->entry.offset, stored);
  decoded->plain = open_block(stored, decoded->entry, keyring);
  std::uint32_t offset = 0;
  for (const ChunkEntry& each : decoded->entry.chunks) {
    decoded->offsets.push_back(offset);
    offset += each.plain_bytes;
  }
  const std::uint32_t at = decoded->offsets[chunk.position];
  const std::uint32_t count = decoded->entry.chunks[chunk.position].plain_bytes;
  return {decoded, ByteView{decoded->plain}.subspan(at, count)};
}

}  // namespace vgerfs::repo
