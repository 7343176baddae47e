// Blocks: as stored; and any directory and any payload, raw or a zstd frame, rightly sealed.
//
//   stored:  | 0 | block |
//   payload: | 1 + 2 × (kind - 1) + 8 if zstd | chunks u8 | directory: 4 + 36 × (chunks + 1) | data
//   |
#include "fuzz_support.h"
#include "repo/block.h"
#include "repo/limits.h"

namespace {

using namespace vgerfs;

Bytes seal(const repo::SealParameters& parameters, ByteView directory, ByteView data) {
  Bytes block(repo::sealed_size(repo::EnvelopeKind::block, directory.size(), data.size()));
  std::copy(data.begin(), data.end(),
            block.begin() + static_cast<std::ptrdiff_t>(
                                repo::data_offset(repo::EnvelopeKind::block, directory.size())));
  testing::FixedRandom random{5};
  repo::seal_in_place(parameters, fuzz::keyring().envelope_keys(), random, directory, block);
  return block;
}

Bytes block_of(ByteView input) {
  if (input.empty()) return {};
  ByteReader reader{input, "the input"};
  const unsigned head = reader.u8();
  if ((head & 1U) == 0) return {input.begin() + 1, input.end()};
  const repo::SealParameters parameters{
      .kind = repo::EnvelopeKind::block,
      .cipher = crypto::Cipher::aes256gcm,
      .codec = (head & 8U) != 0 ? repo::Codec::zstd : repo::Codec::raw,
      .chunk_kind = static_cast<repo::ChunkKind>(1 + ((head >> 1U) & 3U)),
      .data_key = &fuzz::data_key()};
  const std::size_t chunks = std::size_t{reader.u8()} + 1;
  const ByteView directory = reader.bytes(4 + 36 * chunks);
  const ByteView data = reader.rest();
  if (data.empty() || data.size() > repo::kMaxBlockDataBytes) return {};
  return seal(parameters, directory, data);
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  fuzz::decode([&] {
    const Bytes block = block_of({reinterpret_cast<const std::byte*>(data), size});
    const repo::BlockEntry entry = repo::read_block_directory(block, fuzz::keyring());
    const Bytes plain = repo::open_block(block, entry, fuzz::keyring());
    VGERFS_CHECK(plain.size() == repo::plain_bytes_of(entry));
  });
  return 0;
}
