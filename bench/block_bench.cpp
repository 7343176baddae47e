// What compressing and sealing, opening and naming blocks costs per plaintext byte.
#include <memory>

#include <benchmark/benchmark.h>

#include "repo/block.h"
#include "repo/random_bytes.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kBlockBytes = std::size_t{256} << 10;

/// Words from a small vocabulary: zstd makes about a third of it.
Bytes text_bytes(TestRandom& random, std::size_t count) {
  std::vector<Bytes> words;
  words.reserve(3000);
  for (int i = 0; i < 3000; ++i) words.push_back(compressible_bytes(random, pick(random, 2, 12)));
  Bytes bytes;
  while (bytes.size() < count) {
    append(bytes, words[pick(random, 0, words.size() - 1)]);
    bytes.push_back(std::byte{' '});
  }
  bytes.resize(count);
  return bytes;
}

struct Fixture {
  crypto::Random& random = crypto::system_random();
  std::unique_ptr<Keyring> keyring = Keyring::generate(random, "bench", 0);
  std::shared_ptr<const DataKey> data_key = keyring->make_data_key(random);
  BufferPool pool{std::size_t{2} << 20, 2};
  Bytes plain;

  Fixture(bool compressible, std::size_t bytes) {
    TestRandom content{3};
    plain = compressible ? text_bytes(content, bytes) : random_bytes(content, bytes);
  }

  /// The plaintext in chunks of equal size; their ids do not matter here.
  PlainBlock block(std::size_t chunks) {
    PlainBlock block{.kind = ChunkKind::data, .chunks = {}, .bytes = pool.take()};
    block.bytes.append(plain);
    for (std::size_t i = 0; i < chunks; ++i) {
      block.chunks.push_back({ChunkId{}, static_cast<std::uint32_t>(plain.size() / chunks)});
    }
    return block;
  }
  BlockSealing sealing(crypto::Cipher cipher) {
    return {keyring->envelope_keys(), data_key.get(), cipher, &random};
  }
};

void seal(benchmark::State& state, bool compressible, crypto::Cipher cipher) {
  Fixture fixture{compressible, kBlockBytes};
  Compressor compressor{static_cast<int>(state.range(0))};
  PlainBlock block = fixture.block(static_cast<std::size_t>(state.range(1)));
  Buffer out = fixture.pool.take();
  Bytes directory;
  const BlockSealing sealing = fixture.sealing(cipher);
  for (auto _ : state) {
    out.resize(0);
    BlockEntry entry = seal_block(block, sealing, compressor, directory, out);
    block.chunks = std::move(entry.chunks);
  }
  state.counters["ratio"] = static_cast<double>(out.size()) / static_cast<double>(kBlockBytes);
  state.SetBytesProcessed(static_cast<std::int64_t>(kBlockBytes) * state.iterations());
}
BENCHMARK_CAPTURE(seal, text, true, crypto::Cipher::aes256gcm)
    ->Args({1, 1})
    ->Args({3, 1})
    ->Args({1, 64});
BENCHMARK_CAPTURE(seal, random, false, crypto::Cipher::aes256gcm)->Args({1, 1})->Args({3, 1});
BENCHMARK_CAPTURE(seal, random_chacha, false, crypto::Cipher::chacha20poly1305)->Args({1, 1});

void compress_only(benchmark::State& state, bool compressible) {
  const Fixture fixture{compressible, kBlockBytes};
  Compressor compressor{static_cast<int>(state.range(0))};
  Bytes out(kBlockBytes - kBlockBytes / 32);
  for (auto _ : state) benchmark::DoNotOptimize(compressor.compress(fixture.plain, out));
  state.SetBytesProcessed(static_cast<std::int64_t>(kBlockBytes) * state.iterations());
}
BENCHMARK_CAPTURE(compress_only, text, true)->Arg(1)->Arg(3);
BENCHMARK_CAPTURE(compress_only, random, false)->Arg(1)->Arg(3);

void open(benchmark::State& state, bool compressible) {
  Fixture fixture{compressible, kBlockBytes};
  Compressor compressor{1};
  PlainBlock block = fixture.block(static_cast<std::size_t>(state.range(0)));
  Buffer out = fixture.pool.take();
  Bytes directory;
  const BlockEntry entry =
      seal_block(block, fixture.sealing(crypto::Cipher::aes256gcm), compressor, directory, out);
  fixture.keyring->remember(fixture.data_key);
  Bytes plain(kBlockBytes);
  for (auto _ : state) open_block(out.view(), entry, *fixture.keyring, plain);
  state.SetBytesProcessed(static_cast<std::int64_t>(kBlockBytes) * state.iterations());
}
BENCHMARK_CAPTURE(open, text, true)->Arg(1)->Arg(64);
BENCHMARK_CAPTURE(open, random, false)->Arg(1)->Arg(64);

void name_chunk(benchmark::State& state) {
  const Fixture fixture{false, kBlockBytes};
  for (auto _ : state) {
    benchmark::DoNotOptimize(fixture.keyring->chunk_id(ChunkKind::data, fixture.plain));
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(kBlockBytes) * state.iterations());
}
BENCHMARK(name_chunk);

}  // namespace
}  // namespace vgerfs::repo
