#include "format/pack_layout.h"

#include <string_view>

#include "base/error.h"

// A pack (docs/FORMAT.md section 8):
//
//   | "VGERPACK" | version u16 | kind u8 | zero (5) | random (16) |   header
//   | block 0 | block 1 | … |
//   | stored length of each block (u32 each) |                        table
//   | count u32 | zero u32 | "VGERPEND" |                             trailer

namespace vgerfs::format {
namespace {

constexpr std::string_view kHeadMagic = "VGERPACK";
constexpr std::string_view kTailMagic = "VGERPEND";
constexpr std::uint16_t kPackVersion = 1;

Error corrupt(std::string_view what) { return Error{ErrorCode::corrupt, std::string{what}}; }

void check_pack_bytes(std::uint64_t pack_bytes) {
  if (pack_bytes < kPackHeaderBytes + kMinBlockBytes + pack_tail_bytes(1)) {
    throw corrupt("a pack is too short");
  }
  if (pack_bytes > kMaxPackBytes) throw corrupt("a pack is too large");
}

}  // namespace

Bytes pack_header(PackKind kind, ByteView random) {
  VGERFS_CHECK(random.size() == kPackRandomBytes);
  Bytes head;
  head.reserve(kPackHeaderBytes);
  ByteWriter out{head};
  out.bytes(bytes_of(kHeadMagic));
  out.u16(kPackVersion);
  out.u8(static_cast<std::uint8_t>(kind));
  out.zeros(5);
  out.bytes(random);
  return head;
}

Bytes pack_tail(const std::vector<std::uint32_t>& block_bytes) {
  VGERFS_CHECK(!block_bytes.empty() && block_bytes.size() <= kMaxPackBlocks);
  Bytes tail;
  tail.reserve(pack_tail_bytes(block_bytes.size()));
  ByteWriter out{tail};
  for (const std::uint32_t bytes : block_bytes) out.u32(bytes);
  out.u32(static_cast<std::uint32_t>(block_bytes.size()));
  out.zeros(4);
  out.bytes(bytes_of(kTailMagic));
  return tail;
}

PackKind parse_pack_header(ByteView head) {
  ByteReader in{head, "a pack's header"};
  if (text_of(in.bytes(kHeadMagic.size())) != kHeadMagic) throw corrupt("this is not a pack");
  const std::uint16_t version = in.u16();
  if (version > kPackVersion) {
    throw Error{ErrorCode::unsupported, fmt::format("a pack has the newer format {}", version)};
  }
  const std::uint8_t kind = in.u8();
  std::uint64_t reserved = in.u8();
  reserved |= in.u32();
  in.bytes(kPackRandomBytes);
  if (version != kPackVersion || reserved != 0) throw corrupt("a pack's header is damaged");
  switch (kind) {
    case static_cast<std::uint8_t>(PackKind::data): return PackKind::data;
    case static_cast<std::uint8_t>(PackKind::metadata): return PackKind::metadata;
    default: throw corrupt("a pack is of an unknown kind");
  }
}

std::size_t parse_pack_trailer(ByteView trailer, std::uint64_t pack_bytes) {
  check_pack_bytes(pack_bytes);
  ByteReader in{trailer, "a pack's trailer"};
  const std::uint32_t count = in.u32();
  const std::uint32_t reserved = in.u32();
  if (reserved != 0 || text_of(in.bytes(kTailMagic.size())) != kTailMagic) {
    throw corrupt("a pack's trailer is damaged");
  }
  in.expect_end();
  if (count == 0 || count > kMaxPackBlocks)
    throw corrupt("a pack's number of blocks is out of range");
  const std::size_t tail_bytes = pack_tail_bytes(count);
  if (kPackHeaderBytes + std::uint64_t{count} * kMinBlockBytes + tail_bytes > pack_bytes) {
    throw corrupt("a pack is too short for its number of blocks");
  }
  return tail_bytes;
}

std::vector<std::uint32_t> parse_pack_table(ByteView tail, std::uint64_t pack_bytes) {
  if (tail.size() < kPackTrailerBytes) throw corrupt("a pack's table is too short");
  const std::size_t tail_bytes = parse_pack_trailer(tail.last(kPackTrailerBytes), pack_bytes);
  if (tail.size() != tail_bytes)
    throw corrupt("a pack's table has another length than its trailer says");
  ByteReader in{tail.first(tail_bytes - kPackTrailerBytes), "a pack's table"};
  std::vector<std::uint32_t> block_bytes(in.left() / 4);
  std::uint64_t sum = kPackHeaderBytes + tail_bytes;
  for (std::uint32_t& length : block_bytes) {
    length = in.u32();
    if (length < kMinBlockBytes) throw corrupt("a pack's table holds an impossible length");
    sum += length;
  }
  if (sum != pack_bytes) throw corrupt("the lengths in a pack's table do not make up its size");
  return block_bytes;
}

PackTable parse_pack(ByteView pack) {
  check_pack_bytes(pack.size());
  const PackKind kind = parse_pack_header(pack.first(kPackHeaderBytes));
  const std::size_t tail_bytes = parse_pack_trailer(pack.last(kPackTrailerBytes), pack.size());
  return {kind, parse_pack_table(pack.last(tail_bytes), pack.size())};
}

}  // namespace vgerfs::format
