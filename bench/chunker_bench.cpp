// What finding cut points costs per byte.
#include <benchmark/benchmark.h>

#include "repo/chunker.h"
#include "repo/random_bytes.h"

namespace vgerfs::repo {
namespace {

Chunker make_chunker() {
  TestRandom random{1};
  GearTable gear;
  for (auto& value : gear) value = random();
  return Chunker{ChunkerParameters{}, gear};
}

void chunk_all(benchmark::State& state, const Bytes& bytes) {
  const Chunker chunker = make_chunker();
  for (auto _ : state) {
    ByteView rest{bytes};
    while (const std::size_t piece = chunker.next(rest, true).bytes) rest = rest.subspan(piece);
  }
  state.SetBytesProcessed(static_cast<std::int64_t>(bytes.size()) * state.iterations());
}

void chunk_random(benchmark::State& state) {
  TestRandom random{2};
  chunk_all(state, random_bytes(random, std::size_t{16} << 20));
}
BENCHMARK(chunk_random);

void chunk_text(benchmark::State& state) {
  TestRandom random{2};
  chunk_all(state, compressible_bytes(random, std::size_t{16} << 20));
}
BENCHMARK(chunk_text);

void chunk_zeros(benchmark::State& state) { chunk_all(state, Bytes(std::size_t{16} << 20)); }
BENCHMARK(chunk_zeros);

/// The worst case of looking for holes: runs of zeros just too short, and data between them.
void chunk_almost_holes(benchmark::State& state) {
  TestRandom random{2};
  Bytes bytes;
  while (bytes.size() < std::size_t{16} << 20) {
    append(bytes, Bytes(kHoleBytes - 1));
    append(bytes, random_bytes(random, 100));
  }
  chunk_all(state, bytes);
}
BENCHMARK(chunk_almost_holes);

}  // namespace
}  // namespace vgerfs::repo
