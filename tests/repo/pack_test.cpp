#include "repo/pack.h"

#include <utility>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/limits.h"
#include "repo/random_bytes.h"

namespace vgerfs::repo {
namespace {

/// Counts up: the header's random bytes are then known.
class CountingRandom : public crypto::Random {
 public:
  void fill(MutableBytes out) override {
    for (std::byte& byte : out) byte = static_cast<std::byte>(next_++);
  }

 private:
  unsigned next_ = 0;
};

struct TestPack {
  Bytes bytes;
  PackDescription description;
};

/// A pack of blocks that hold nothing sensible: pack.h does not look into them.
TestPack make_pack(const std::vector<std::uint32_t>& block_bytes, PackKind kind = PackKind::data) {
  BufferPool pool{std::size_t{4} << 20, 1};
  Buffer buffer = pool.take();
  CountingRandom random;
  TestRandom content{block_bytes.size()};
  begin_pack(buffer, kind, random);
  std::vector<BlockEntry> blocks;
  for (const std::uint32_t bytes : block_bytes) {
    BlockEntry block;
    block.offset = static_cast<std::uint32_t>(buffer.size());
    block.stored_bytes = bytes;
    block.chunk_kind = kind == PackKind::data ? ChunkKind::data : ChunkKind::tree;
    blocks.push_back(block);
    buffer.append(random_bytes(content, bytes));
  }
  auto description = finish_pack(buffer, kind, std::move(blocks));
  const ByteView view = buffer.view();
  return {Bytes(view.begin(), view.end()), std::move(description)};
}

ErrorCode parse_failure(ByteView pack) {
  try {
    parse_pack(pack);
  } catch (const Error& error) {
    return error.code();
  }
  ADD_FAILURE() << "accepted";
  return ErrorCode::io;
}

void put_u32(Bytes& bytes, std::size_t offset, std::uint32_t value) {
  for (std::size_t i = 0; i < 4; ++i) bytes[offset + i] = static_cast<std::byte>(value >> (8 * i));
}

TEST(Pack, IsLaidOutAsTheFormatSays) {
  const TestPack pack = make_pack({300, 258});
  ASSERT_EQ(pack.bytes.size(), 32U + 300 + 258 + 8 + 16);
  EXPECT_EQ(to_hex(ByteView{pack.bytes}.first(32)),
            "564745525041434b"
            "0100"
            "01"
            "0000000000"
            "000102030405060708090a0b0c0d0e0f");
  EXPECT_EQ(to_hex(ByteView{pack.bytes}.last(24)),
            "2c010000"
            "02010000"
            "02000000"
            "00000000"
            "5647455250454e44");
}

TEST(Pack, IsDescribed) {
  const TestPack pack = make_pack({300, 258}, PackKind::metadata);
  EXPECT_EQ(pack.description.id, PackId{sha256(pack.bytes)});
  EXPECT_EQ(pack.description.kind, PackKind::metadata);
  EXPECT_EQ(pack.description.stored_bytes, pack.bytes.size());
  ASSERT_EQ(pack.description.blocks.size(), 2U);
  EXPECT_EQ(pack.description.blocks[1].offset, 332U);
}

TEST(Pack, RoundTrips) {
  TestRandom random{1};
  for (int i = 0; i < 20; ++i) {
    std::vector<std::uint32_t> lengths(pick(random, 1, 300));
    for (auto& length : lengths) length = static_cast<std::uint32_t>(pick(random, 241, 2000));
    const PackKind kind = i % 2 == 0 ? PackKind::data : PackKind::metadata;
    const TestPack pack = make_pack(lengths, kind);
    const PackTable table = parse_pack(pack.bytes);
    EXPECT_EQ(table.kind, kind);
    EXPECT_EQ(table.block_bytes, lengths);
  }
}

TEST(Pack, IsReadFromRanges) {
  const TestPack pack = make_pack({300, 258, 1000});
  const ByteView view{pack.bytes};
  EXPECT_EQ(parse_pack_header(view.first(kPackHeaderBytes)), PackKind::data);
  const std::size_t tail = parse_pack_trailer(view.last(kPackTrailerBytes), view.size());
  EXPECT_EQ(tail, pack_tail_bytes(3));
  EXPECT_EQ(parse_pack_table(view.last(tail), view.size()),
            (std::vector<std::uint32_t>{300, 258, 1000}));
  EXPECT_THROW(parse_pack_table(view.last(tail + 1), view.size()), Error);
  EXPECT_THROW(parse_pack_table(view.last(tail), view.size() + 1), Error);
}

TEST(Pack, EveryTruncationIsCorrupt) {
  const TestPack pack = make_pack({300, 258});
  const ByteView view{pack.bytes};
  for (std::size_t length = 0; length < view.size(); ++length) {
    EXPECT_EQ(parse_failure(view.first(length)), ErrorCode::corrupt);
    EXPECT_EQ(parse_failure(view.last(length)), ErrorCode::corrupt);
  }
}

TEST(Pack, TrailingBytesAreCorrupt) {
  TestPack pack = make_pack({300, 258});
  pack.bytes.push_back(std::byte{0});
  EXPECT_EQ(parse_failure(pack.bytes), ErrorCode::corrupt);
}

TEST(Pack, EveryFlipInHeaderTableAndTrailerIsRejected) {
  const TestPack pack = make_pack({300, 258});
  for (std::size_t byte = 0; byte < pack.bytes.size(); ++byte) {
    const bool is_random = byte >= 16 && byte < 32;
    const bool is_block = byte >= 32 && byte < 32 + 558;
    if (is_random || is_block) continue;
    for (unsigned bit = 0; bit < 8; ++bit) {
      // Kind 1 with another bit is 3, 5, … but also 0; never 2.
      Bytes flipped = pack.bytes;
      flipped[byte] ^= static_cast<std::byte>(1U << bit);
      const bool newer = (byte == 8 || byte == 9) && !(byte == 8 && bit == 0);
      EXPECT_EQ(parse_failure(flipped), newer ? ErrorCode::unsupported : ErrorCode::corrupt)
          << byte;
    }
  }
}

TEST(Pack, LengthsThatOnlySumUpAreCorrupt) {
  TestPack pack = make_pack({300, 258});
  const std::size_t table = pack.bytes.size() - pack_tail_bytes(2);
  put_u32(pack.bytes, table, 558);
  put_u32(pack.bytes, table + 4, 0);
  EXPECT_EQ(parse_failure(pack.bytes), ErrorCode::corrupt);
  // The sum wraps around 2^32 to the right value.
  put_u32(pack.bytes, table, 0xFFFFFFFF);
  put_u32(pack.bytes, table + 4, 559);
  EXPECT_EQ(parse_failure(pack.bytes), ErrorCode::corrupt);
}

TEST(Pack, AnAbsurdCountIsCorruptBeforeAnythingIsAllocated) {
  TestPack pack = make_pack({300, 258});
  for (const std::uint32_t count :
       {0U, 3U, 100U, kMaxPackBlocks, kMaxPackBlocks + 1, 0x40000000U, 0xFFFFFFFFU}) {
    put_u32(pack.bytes, pack.bytes.size() - 16, count);
    EXPECT_EQ(parse_failure(pack.bytes), ErrorCode::corrupt);
  }
}

TEST(Pack, ATrailerAloneTellsAnAbsurdCount) {
  TestPack pack = make_pack({300});
  for (const std::uint32_t count : {0U, kMaxPackBlocks + 1}) {
    put_u32(pack.bytes, pack.bytes.size() - 16, count);
    const ByteView trailer = ByteView{pack.bytes}.last(kPackTrailerBytes);
    EXPECT_THROW(parse_pack_trailer(trailer, kMaxPackBytes), Error) << count;
  }
  put_u32(pack.bytes, pack.bytes.size() - 16, kMaxPackBlocks);
  EXPECT_EQ(parse_pack_trailer(ByteView{pack.bytes}.last(kPackTrailerBytes), kMaxPackBytes),
            pack_tail_bytes(kMaxPackBlocks));
}

TEST(Pack, AnAbsurdSizeIsCorrupt) {
  const TestPack pack = make_pack({300});
  const ByteView trailer = ByteView{pack.bytes}.last(kPackTrailerBytes);
  EXPECT_THROW(parse_pack_trailer(trailer, kMaxPackBytes + 1), Error);
  EXPECT_THROW(parse_pack_trailer(trailer, 0), Error);
  EXPECT_THROW(parse_pack_trailer(trailer, ~std::uint64_t{0}), Error);
}

TEST(PackDeathTest, NoBlocksIsABug) {
  BufferPool pool{1024, 1};
  Buffer buffer = pool.take();
  CountingRandom random;
  begin_pack(buffer, PackKind::data, random);
  EXPECT_DEATH(finish_pack(buffer, PackKind::data, {}), "bug");
}

}  // namespace
}  // namespace vgerfs::repo
