// Packs: the unit of storage (docs/FORMAT.md section 8).
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "crypto/random.h"
#include "repo/chunk.h"
#include "repo/index_record.h"

namespace vgerfs::repo {

inline constexpr std::size_t kPackHeaderBytes = 32;
inline constexpr std::size_t kPackTrailerBytes = 16;

/// Table and trailer for this many blocks.
constexpr std::size_t pack_tail_bytes(std::size_t blocks) noexcept { return 4 * blocks + kPackTrailerBytes; }

/// Writes the header into an empty buffer.
void begin_pack(Buffer& buffer, PackKind kind, crypto::Random& random);
/// Appends table and trailer for blocks whose lengths fill the buffer so far, names the pack by its SHA-256 and describes it.
PackDescription finish_pack(Buffer& buffer, PackKind kind, std::vector<BlockEntry> blocks);

struct PackTable {
  PackKind kind{};
  std::vector<std::uint32_t> block_bytes;
};
/// Parses header, table and trailer of a whole pack, or of its tail: throws corrupt, unsupported.
PackTable parse_pack(ByteView pack);

}  // namespace vgerfs::repo
