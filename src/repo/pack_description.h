// What is known of a pack without reading it: its blocks, and the chunks in them.
#pragma once

#include <cstdint>
#include <vector>

#include "base/ids.h"
#include "crypto/aead.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

struct ChunkEntry {
  ChunkId id;
  std::uint32_t plain_bytes = 0;
};

struct BlockEntry {
  std::uint32_t offset = 0;  // in the pack
  std::uint32_t stored_bytes = 0;
  crypto::AeadTag tag{};
  ChunkKind chunk_kind{};
  std::vector<ChunkEntry> chunks;
};

struct PackDescription {
  PackId id;
  PackKind kind{};
  std::uint64_t stored_bytes = 0;
  std::vector<BlockEntry> blocks;
};

}  // namespace vgerfs::repo
