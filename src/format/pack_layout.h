// How a pack is laid out around its blocks (docs/FORMAT.md section 8): all of it plain, so that a
// server without any key can read it, too.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "base/bytes.h"

namespace vgerfs::format {

/// As stored in pack headers.
enum class PackKind : std::uint8_t { data = 1, metadata = 2 };

inline constexpr std::size_t kMaxPackBytes = std::size_t{512} << 20;
inline constexpr std::uint32_t kMaxPackBlocks = 1U << 20;
inline constexpr std::size_t kPackHeaderBytes = 32;
inline constexpr std::size_t kPackRandomBytes = 16;
inline constexpr std::size_t kPackTrailerBytes = 16;
/// A block with one chunk of one byte: header, directory (count, id, length), data, two tags.
inline constexpr std::size_t kMinBlockBytes = 168 + (4 + 36) + 1 + 2 * 16;

/// Table and trailer for this many blocks.
constexpr std::size_t pack_tail_bytes(std::size_t blocks) noexcept {
  return 4 * blocks + kPackTrailerBytes;
}

/// `random`: kPackRandomBytes of them.
Bytes pack_header(PackKind kind, ByteView random);
/// Table and trailer for blocks of these stored lengths.
Bytes pack_tail(const std::vector<std::uint32_t>& block_bytes);

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

}  // namespace vgerfs::format
