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
constexpr std::size_t pack_tail_bytes(std::size_t blocks) noexcept {
  return 4 * blocks + kPackTrailerBytes;
}

/// Writes the header into an empty buffer.
void begin_pack(Buffer& buffer, PackKind kind, crypto::Random& random);
/// Appends table and trailer for blocks whose lengths fill the buffer so far, names the pack by its
/// SHA-256 and describes it. Between 1 and kMaxPackBlocks blocks; spare capacity ≥ pack_tail_bytes.
PackDescription finish_pack(Buffer& buffer, PackKind kind, std::vector<BlockEntry> blocks);

struct PackTable {
  PackKind kind{};
  std::vector<std::uint32_t>
      block_bytes;  // stored length of each; block 0 begins at kPackHeaderBytes
};
/// Header, table and trailer of a whole pack. Throws corrupt, unsupported (newer format).
PackTable parse_pack(ByteView pack);

/// The same from ranges, for packs that lie far away:
///
///     kind  = parse_pack_header(first kPackHeaderBytes)
///     bytes = parse_pack_trailer(last kPackTrailerBytes, size of the pack)
///     table = parse_pack_table(last `bytes` bytes, size of the pack)
///
/// Throw corrupt, unsupported. `pack_bytes` is the size of the whole object.
PackKind parse_pack_header(ByteView head);
/// Length of table and trailer.
std::size_t parse_pack_trailer(ByteView trailer, std::uint64_t pack_bytes);
/// Stored length of each block.
std::vector<std::uint32_t> parse_pack_table(ByteView tail, std::uint64_t pack_bytes);

}  // namespace vgerfs::repo
