// Chunk kinds, and the two ports through which everything above the packs stores and fetches
// chunks.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "base/ids.h"
#include "format/pack_layout.h"

namespace vgerfs::repo {

/// As hashed into ids and stored in block headers.
enum class ChunkKind : std::uint8_t { data = 1, tree = 2, extents = 3, blob = 4 };

using format::PackKind;

constexpr PackKind pack_kind_of(ChunkKind kind) noexcept {
  return kind == ChunkKind::data ? PackKind::data : PackKind::metadata;
}

/// Takes chunks. Thread-safe.
class ChunkSink {
 public:
  virtual ~ChunkSink() = default;
  /// Names the chunk, stores it unless it is there already. `bytes` (1 … kMaxChunkBytes) may go
  /// away after the call. May wait for memory; throws what an earlier stage failed with.
  virtual ChunkId put(ChunkKind kind, ByteView bytes) = 0;
};

/// Gives chunks back. Thread-safe.
class ChunkSource {
 public:
  virtual ~ChunkSource() = default;
  /// The chunk's plaintext. Throws not_found if no record names it, corrupt (naming the pack) if no
  /// copy is intact, denied if this key cannot decrypt it.
  virtual Bytes get(ChunkKind kind, const ChunkId& id) = 0;
};

}  // namespace vgerfs::repo
