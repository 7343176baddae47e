#include "repo/block.h"

#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "repo/forge.h"
#include "repo/limits.h"
#include "repo/random_bytes.h"
#include "support/error_of.h"
#include "support/fixed_random.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using vgerfs::testing::code_of;
/// A sealed block by itself, with what went in.
struct SealedBlock {
  Bytes stored;
  BlockEntry entry;
  Bytes plain;
};

Codec codec_of(const SealedBlock& block) {
  return parse_envelope_header(block.stored, EnvelopeKind::block).codec;
}

class Block : public ::testing::Test {
 protected:
  PlainBlock plain_block(const std::vector<Bytes>& chunks, ChunkKind kind = ChunkKind::data) {
    PlainBlock block;
    block.kind = kind;
    block.bytes = pool_.take();
    for (const Bytes& chunk : chunks) {
      block.chunks.push_back(
          {keyring_->chunk_id(kind, chunk), static_cast<std::uint32_t>(chunk.size())});
      block.bytes.append(chunk);
    }
    return block;
  }

  BlockSealing sealing() {
    return {keyring_->envelope_keys(), data_key_.get(), crypto::Cipher::aes256gcm, &random_};
  }

  SealedBlock seal(PlainBlock block) {
    const ByteView view = block.bytes.view();
    SealedBlock sealed{.stored = {}, .entry = {}, .plain = {view.begin(), view.end()}};
    Buffer out = pool_.take();
    Compressor compressor{3};
    sealed.entry = seal_block(block, sealing(), compressor, directory_, out);
    const ByteView stored = out.view();
    sealed.stored.assign(stored.begin(), stored.end());
    return sealed;
  }

  SealedBlock seal(const std::vector<Bytes>& chunks, ChunkKind kind = ChunkKind::data) {
    return seal(plain_block(chunks, kind));
  }

  Bytes forge(ByteView directory, ByteView data, Codec codec, ChunkKind kind = ChunkKind::data) {
    return forge_block(directory, data, codec, kind, *keyring_, *data_key_, random_);
  }

  /// The forged block through its own directory, then its data.
  void open_without_index(const Bytes& stored) {
    const BlockEntry entry = read_block_directory(stored, *keyring_);
    (void)open_block(stored, entry, *keyring_);
  }

  testing::FixedRandom random_{1};
  TestRandom content_{testing::test_seed()};
  std::unique_ptr<Keyring> keyring_ = Keyring::generate(random_, "test", 0);
  std::shared_ptr<const DataKey> data_key_ = keyring_->make_data_key(random_);
  BufferPool pool_{std::size_t{20} << 20, 4};
  Bytes directory_;
};

TEST_F(Block, RoundTrips) {
  for (int i = 0; i < 60; ++i) {
    std::vector<Bytes> chunks(pick(content_, 1, 40));
    for (Bytes& chunk : chunks) {
      const std::size_t bytes = pick(content_, 1, 5000);
      chunk = i % 2 == 0 ? random_bytes(content_, bytes) : compressible_bytes(content_, bytes);
    }
    const SealedBlock block = seal(chunks);
    EXPECT_EQ(block.entry.offset, 0U);
    EXPECT_EQ(block.entry.stored_bytes, block.stored.size());
    EXPECT_LE(block.stored.size(), max_sealed_block_bytes(block.plain.size(), chunks.size()));
    ASSERT_EQ(open_block(block.stored, block.entry, *keyring_), block.plain);
    const BlockEntry read = read_block_directory(block.stored, *keyring_);
    EXPECT_EQ(read.tag, block.entry.tag);
    EXPECT_EQ(read.stored_bytes, block.entry.stored_bytes);
    ASSERT_EQ(read.chunks.size(), chunks.size());
    std::size_t at = 0;
    for (std::size_t c = 0; c < chunks.size(); ++c) {
      EXPECT_EQ(read.chunks[c].id, block.entry.chunks[c].id);
      const auto bytes = ByteView{block.plain}.subspan(at, read.chunks[c].plain_bytes);
      EXPECT_TRUE(chunk_matches(*keyring_, ChunkKind::data, read.chunks[c].id, bytes));
      EXPECT_FALSE(chunk_matches(*keyring_, ChunkKind::blob, read.chunks[c].id, bytes));
      at += bytes.size();
    }
  }
}

TEST_F(Block, BlocksFollowOneAnother) {
  Buffer out = pool_.take();
  out.append(Bytes(32));
  Compressor compressor{1};
  std::size_t end = 32;
  for (const ChunkKind kind : {ChunkKind::tree, ChunkKind::extents, ChunkKind::blob}) {
    PlainBlock block = plain_block({compressible_bytes(content_, 3000)}, kind);
    const BlockEntry entry = seal_block(block, sealing(), compressor, directory_, out);
    EXPECT_EQ(entry.offset, end);
    EXPECT_EQ(entry.chunk_kind, kind);
    EXPECT_EQ(block.chunks.size(), 0U);
    end += entry.stored_bytes;
    EXPECT_EQ(out.size(), end);
    const auto stored = out.view().subspan(entry.offset, entry.stored_bytes);
    EXPECT_EQ(open_block(stored, entry, *keyring_).size(), 3000U);
  }
}

TEST_F(Block, IsCompressedOnlyIfThatPays) {
  EXPECT_EQ(codec_of(seal({compressible_bytes(content_, 300'000)})), Codec::zstd);
  EXPECT_EQ(codec_of(seal({random_bytes(content_, 300'000)})), Codec::raw);
  EXPECT_EQ(codec_of(seal({Bytes(1, std::byte{1})})), Codec::raw);
  EXPECT_EQ(codec_of(seal({Bytes(1000, std::byte{1})})), Codec::zstd);
  // A saving of 2 % is none.
  Bytes nearly_random = random_bytes(content_, 98'000);
  nearly_random.resize(100'000, std::byte{1});
  EXPECT_EQ(codec_of(seal({nearly_random})), Codec::raw);
  Bytes somewhat_random = random_bytes(content_, 94'000);
  somewhat_random.resize(100'000, std::byte{1});
  EXPECT_EQ(codec_of(seal({somewhat_random})), Codec::zstd);
}

TEST_F(Block, RawDataIsAsLongAsItsPlaintext) {
  const SealedBlock block = seal({random_bytes(content_, 5000)});
  EXPECT_EQ(block.stored.size(), max_sealed_block_bytes(5000, 1));
}

TEST_F(Block, TheLargestBlocksAreSealedAndOpened) {
  std::vector<Bytes> many(kMaxBlockChunks, Bytes{std::byte{1}});
  for (std::size_t i = 0; i < many.size(); ++i) many[i][0] = static_cast<std::byte>(i);
  const SealedBlock small_chunks = seal(many);
  EXPECT_EQ(open_block(small_chunks.stored, small_chunks.entry, *keyring_), small_chunks.plain);
  const Bytes large = random_bytes(content_, kMaxChunkBytes);
  const SealedBlock large_chunks = seal({large, large});
  EXPECT_EQ(open_block(large_chunks.stored, large_chunks.entry, *keyring_), large_chunks.plain);
}

TEST_F(Block, AnotherRepositoryCannotOpenIt) {
  const SealedBlock block = seal({random_bytes(content_, 100)});
  const auto other = Keyring::generate(random_, "other", 0);
  EXPECT_EQ(code_of([&] { (void)open_block(block.stored, block.entry, *other); }),
            ErrorCode::corrupt);
}

TEST_F(Block, AnotherBlockInItsPlaceIsCorrupt) {
  // The same content sealed again is authentic but not the one that the index names.
  for (const Bytes& content : {compressible_bytes(content_, 1000), random_bytes(content_, 1000)}) {
    const SealedBlock first = seal({content});
    const SealedBlock second = seal({content});
    ASSERT_EQ(first.stored.size(), second.stored.size());
    ASSERT_NE(first.entry.tag, second.entry.tag);
    EXPECT_EQ(code_of([&] { (void)open_block(second.stored, first.entry, *keyring_); }),
              ErrorCode::corrupt);
    EXPECT_EQ(open_block(second.stored, second.entry, *keyring_), first.plain);
  }
}

TEST_F(Block, EveryFlippedBitIsRejected) {
  for (const SealedBlock& block :
       {seal({random_bytes(content_, 40)}), seal({Bytes(400, std::byte{7})})}) {
    for (std::size_t bit = 0; bit < 8 * block.stored.size(); ++bit) {
      Bytes flipped = block.stored;
      flipped[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
      const ErrorCode code = code_of([&] { (void)open_block(flipped, block.entry, *keyring_); });
      EXPECT_TRUE(code == ErrorCode::corrupt || code == ErrorCode::unsupported) << bit;
    }
  }
}

TEST_F(Block, EveryTruncationIsCorrupt) {
  const SealedBlock block = seal({random_bytes(content_, 40)});
  for (std::size_t length = 0; length < block.stored.size(); ++length) {
    const auto cut = ByteView{block.stored}.first(length);
    EXPECT_EQ(code_of([&] { (void)open_block(cut, block.entry, *keyring_); }), ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { (void)read_block_directory(cut, *keyring_); }), ErrorCode::corrupt);
    BlockEntry shorter = block.entry;
    shorter.stored_bytes = static_cast<std::uint32_t>(length);
    EXPECT_EQ(code_of([&] { (void)open_block(cut, shorter, *keyring_); }), ErrorCode::corrupt);
  }
  Bytes longer = block.stored;
  longer.push_back(std::byte{0});
  EXPECT_EQ(code_of([&] { (void)read_block_directory(longer, *keyring_); }), ErrorCode::corrupt);
}

TEST_F(Block, LiesOfTheIndexAreCorrupt) {
  const SealedBlock block = seal({Bytes(100, std::byte{1}), Bytes(200, std::byte{2})});
  const auto expect_corrupt = [&](const std::function<void(BlockEntry&)>& lie) {
    BlockEntry entry = block.entry;
    lie(entry);
    EXPECT_EQ(code_of([&] { (void)open_block(block.stored, entry, *keyring_); }),
              ErrorCode::corrupt);
  };
  expect_corrupt([](BlockEntry& e) { e.chunk_kind = ChunkKind::tree; });
  expect_corrupt([](BlockEntry& e) { e.tag[15] ^= std::byte{1}; });
  expect_corrupt([](BlockEntry& e) { ++e.stored_bytes; });
  expect_corrupt([](BlockEntry& e) { e.chunks.pop_back(); });
  expect_corrupt([](BlockEntry& e) { e.chunks.clear(); });
  expect_corrupt([](BlockEntry& e) { e.chunks.push_back(e.chunks[0]); });
  expect_corrupt([](BlockEntry& e) { std::swap(e.chunks[0].id, e.chunks[1].id); });
  expect_corrupt([](BlockEntry& e) { ++e.chunks[0].plain_bytes, --e.chunks[1].plain_bytes; });
  expect_corrupt([](BlockEntry& e) { ++e.chunks[0].plain_bytes; });
  expect_corrupt([](BlockEntry& e) { e.chunks[0].plain_bytes = 0xFFFFFFFF; });
  expect_corrupt([](BlockEntry& e) { e.chunks.assign(3, {e.chunks[0].id, kMaxChunkBytes}); });
  expect_corrupt([](BlockEntry& e) { e.chunks.assign(kMaxBlockChunks + 1, e.chunks[0]); });
}

TEST_F(Block, PaddingOfZerosIsIgnoredAndOtherPaddingCorrupt) {
  const Bytes plain = compressible_bytes(content_, 1000);
  const Bytes directory = directory_of({{keyring_->chunk_id(ChunkKind::data, plain), 1000}});
  for (const Codec codec : {Codec::raw, Codec::zstd}) {
    Bytes data = codec == Codec::raw ? plain : frame_of(plain);
    data.resize(data.size() + 77);
    const Bytes stored = forge(directory, data, codec);
    const BlockEntry entry = read_block_directory(stored, *keyring_);
    EXPECT_EQ(open_block(stored, entry, *keyring_), plain);
    data.back() = std::byte{1};
    EXPECT_EQ(code_of([&] { open_without_index(forge(directory, data, codec)); }),
              ErrorCode::corrupt);
  }
}

TEST_F(Block, DirectoriesThatLieAreCorrupt) {
  const Bytes plain = compressible_bytes(content_, 1000);
  const ChunkId id = keyring_->chunk_id(ChunkKind::data, plain);
  const Bytes frame = frame_of(plain);
  const auto expect_corrupt = [&](const Bytes& directory, ChunkKind kind = ChunkKind::data) {
    EXPECT_EQ(code_of([&] { open_without_index(forge(directory, plain, Codec::raw, kind)); }),
              ErrorCode::corrupt);
    EXPECT_EQ(code_of([&] { open_without_index(forge(directory, frame, Codec::zstd, kind)); }),
              ErrorCode::corrupt);
  };
  open_without_index(forge(directory_of({{id, 600}, {id, 400}}), frame, Codec::zstd));
  expect_corrupt(directory_of({{id, 999}}));  // raw: the last byte is padding that is not zero
  expect_corrupt(directory_of({{id, 1001}}));
  expect_corrupt(directory_of({{id, 1000}, {id, 0}}));
  expect_corrupt(directory_of({{id, 1000}, {id, 1}}));
  expect_corrupt(directory_of({{id, kMaxChunkBytes + 1}}));
  expect_corrupt(directory_of({{id, kMaxNodeBytes + 1}}), ChunkKind::tree);
  expect_corrupt(directory_of({{id, kMaxChunkBytes}, {id, kMaxChunkBytes}, {id, 1}}));
  expect_corrupt(directory_of({{id, 0xFFFFFFFF}, {id, 1001}}));  // wraps around 2^32
  Bytes count = directory_of({{id, 1000}});
  for (const unsigned lie : {0U, 2U, 255U}) {
    count[0] = static_cast<std::byte>(lie);
    expect_corrupt(count);
  }
}

TEST_F(Block, ADirectoryThatLiesIsCorruptBeforeItsDataIsTouched) {
  const ChunkId id = keyring_->chunk_id(ChunkKind::data, Bytes(10));
  const auto expect_corrupt = [&](const Bytes& directory) {
    const Bytes stored = forge(directory, Bytes(10), Codec::zstd);
    EXPECT_EQ(code_of([&] { (void)read_block_directory(stored, *keyring_); }), ErrorCode::corrupt);
  };
  expect_corrupt(directory_of({{id, kMaxChunkBytes}, {id, kMaxChunkBytes}, {id, 1}}));
  expect_corrupt(directory_of({{id, 0}}));
  for (const unsigned count : {0U, 1U, 3U, 255U}) {
    Bytes directory = directory_of({{id, 1}, {id, 1}});
    directory[0] = static_cast<std::byte>(count);
    expect_corrupt(directory);
  }
}

TEST_F(Block, ABombIsBoundedByItsDirectory) {
  const Bytes bomb = frame_of(Bytes(std::size_t{64} << 20));
  const Bytes directory = directory_of({{ChunkId{}, 4096}});
  EXPECT_EQ(code_of([&] { open_without_index(forge(directory, bomb, Codec::zstd)); }),
            ErrorCode::corrupt);
}

TEST_F(Block, CodecAndContentMustAgree) {
  const Bytes plain = compressible_bytes(content_, 1000);
  const Bytes directory = directory_of({{keyring_->chunk_id(ChunkKind::data, plain), 1000}});
  EXPECT_EQ(code_of([&] { open_without_index(forge(directory, plain, Codec::zstd)); }),
            ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { open_without_index(forge(directory, frame_of(plain), Codec::raw)); }),
            ErrorCode::corrupt);
}

TEST_F(Block, AnIngestKeyOpensOnlyWhatItsSessionSealed) {
  Certificate wanted;
  wanted.role = Role::ingest;
  wanted.label = "client";
  wanted.hosts = {"host"};
  const auto ingest = Keyring::from_bundle(keyring_->make_bundle(wanted, random_).view());
  const SealedBlock block = seal({random_bytes(content_, 100)});
  EXPECT_EQ(code_of([&] { (void)open_block(block.stored, block.entry, *ingest); }),
            ErrorCode::denied);
  EXPECT_EQ(code_of([&] { (void)read_block_directory(block.stored, *ingest); }), ErrorCode::denied);
  ingest->remember(data_key_);
  EXPECT_EQ(open_block(block.stored, block.entry, *ingest), block.plain);
}

TEST_F(Block, EqualRandomnessNeverMeetsOtherContentUnderOneKey) {
  testing::FixedRandom constant = testing::FixedRandom::constant(std::byte{9});
  Compressor compressor{1};
  std::vector<Bytes> commitments;
  for (const Bytes& content : {Bytes(500, std::byte{1}), Bytes(500, std::byte{2}),
                               random_bytes(content_, 500), random_bytes(content_, 500)}) {
    PlainBlock block = plain_block({content});
    Buffer out = pool_.take();
    BlockSealing same{keyring_->envelope_keys(), data_key_.get(), crypto::Cipher::aes256gcm,
                      &constant};
    seal_block(block, same, compressor, directory_, out);
    const auto header = parse_envelope_header(out.view(), EnvelopeKind::block);
    Bytes commitment{header.commitment.begin(), header.commitment.end()};
    EXPECT_EQ(std::count(commitments.begin(), commitments.end(), commitment), 0);
    commitments.push_back(std::move(commitment));
  }
}

TEST_F(Block, AFullBufferIsABugNotAnOverrun) {
  PlainBlock block = plain_block({random_bytes(content_, 1000)});
  BufferPool tight{max_sealed_block_bytes(1000, 1) - 1, 1};
  Buffer out = tight.take();
  Compressor compressor{1};
  EXPECT_DEATH(seal_block(block, sealing(), compressor, directory_, out), "bug");
}

}  // namespace
}  // namespace vgerfs::repo
