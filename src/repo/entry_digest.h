// The digest of what an index entry says of a pack (docs/FORMAT.md section 9.2).
#pragma once

#include <array>
#include <cstddef>

#include "base/sha256.h"
#include "repo/pack_description.h"

namespace vgerfs::repo {

/// Names what an entry says of a pack: equal for entries that agree in size and columns.
using EntryDigest = std::array<std::byte, 32>;

/// Adds a block's columns to a hash. `ids` and `lengths` are those of its chunks, concatenated.
void hash_block(Sha256& hash, const BlockEntry& block, ByteView ids, ByteView lengths);

/// Chunk ids (32 bytes each) and lengths (u32 each) of a block. Reuses the memory.
void chunk_columns(const BlockEntry& block, Bytes& ids, Bytes& lengths);

EntryDigest entry_digest(const PackDescription& pack);

}  // namespace vgerfs::repo
