// Made-up ids and records for tests of the index and the client's state.
#pragma once

#include <cstdint>
#include <string_view>
#include <vector>

#include "base/sha256.h"
#include "repo/index_record.h"

namespace vgerfs::repo::examples {

/// An id that a word and a number determine, uniformly distributed like a real one.
template <class IdType>
IdType make_id(std::string_view word, std::uint64_t number = 0) {
  Bytes seed;
  append(seed, bytes_of(word));
  ByteWriter{seed}.u64(number);
  return IdType{sha256(seed)};
}

inline ChunkId chunk(std::uint64_t number) { return make_id<ChunkId>("chunk", number); }
inline RecordId record_id(std::uint64_t number) { return make_id<RecordId>("record", number); }

inline const RepositoryId kRepository = make_id<RepositoryId>("repository");

inline crypto::PublicKey make_author(std::string_view name) { return sha256(bytes_of(name)); }

/// A pack with blocks of the given chunks, as a writer would describe it.
inline PackDescription make_pack(std::string_view name,
                                 const std::vector<std::vector<ChunkId>>& blocks,
                                 std::uint32_t plain_bytes = 1000) {
  PackDescription pack{make_id<PackId>(name), PackKind::data, 32 + 16, {}};
  for (const auto& chunks : blocks) {
    BlockEntry block;
    block.offset = static_cast<std::uint32_t>(32 + 500 * pack.blocks.size());
    block.stored_bytes = 500;
    block.tag.fill(static_cast<std::byte>(pack.blocks.size()));
    block.chunk_kind = ChunkKind::data;
    for (const ChunkId& chunk : chunks) {
      block.chunks.push_back(
          {chunk, plain_bytes + static_cast<std::uint32_t>(block.chunks.size())});
    }
    pack.blocks.push_back(block);
    pack.stored_bytes += 504;
  }
  return pack;
}

inline IndexRecord make_record(std::string_view author, Role role,
                               std::vector<PackDescription> packs = {}) {
  IndexRecord record;
  record.author.author = make_author(author);
  record.author.role = role;
  record.time = {1'795'216'205, 7};
  record.packs = std::move(packs);
  return record;
}

}  // namespace vgerfs::repo::examples
