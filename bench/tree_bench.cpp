// What building and reading a directory of 100 000 entries costs.
#include <benchmark/benchmark.h>

#include "repo/memory_chunks.h"
#include "repo/tree.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kEntries = 100'000;
constexpr std::array<std::byte, 16> kSplitKey{std::byte{7}};

std::vector<Entry> make_entries() {
  std::vector<Entry> entries(kEntries);
  for (std::size_t i = 0; i < kEntries; ++i) {
    Entry& entry = entries[i];
    entry.set_name(fmt::format("some-file-{:08}.txt", i));
    entry.set_type(EntryType::ENTRY_FILE);
    entry.set_mode(0644);
    entry.set_uid(1000);
    entry.set_gid(1000);
    entry.set_user("somebody");
    entry.set_group("somebody");
    entry.set_mtime_s(1'700'000'000);
    entry.set_mtime_ns(123'456'789);
    entry.set_ctime_s(1'700'000'000);
    entry.set_ctime_ns(987'654'321);
    entry.set_size(20'000);
    entry.add_extents()->set_bytes(20'000);
    entry.mutable_extents(0)->set_chunk(std::string(32, 'c'));
  }
  return entries;
}

/// Takes chunks and forgets them: the sink's own work is measured elsewhere.
class NoChunks final : public ChunkSink {
 public:
  ChunkId put(ChunkKind, ByteView bytes) override {
    bytes_ += bytes.size();
    return {};
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_ = 0;
};

void build_directory(benchmark::State& state) {
  const std::vector<Entry> entries = make_entries();
  std::size_t bytes = 0;
  for (auto _ : state) {
    NoChunks sink;
    DirectoryBuilder builder{sink, kSplitKey};
    for (const Entry& entry : entries) builder.add(entry);
    builder.finish();
    bytes = sink.bytes();
  }
  state.counters["bytes"] = static_cast<double>(bytes);
  state.SetItemsProcessed(static_cast<std::int64_t>(kEntries) * state.iterations());
}
BENCHMARK(build_directory)->Unit(benchmark::kMillisecond);

struct Stored {
  MemoryChunks chunks;
  std::optional<ChunkId> root;

  Stored() {
    DirectoryBuilder builder{chunks, kSplitKey};
    for (const Entry& entry : make_entries()) builder.add(entry);
    root = builder.finish();
  }
};

void read_directory(benchmark::State& state) {
  Stored stored;
  for (auto _ : state) {
    DirectoryReader reader{stored.chunks, stored.root};
    while (const Entry* entry = reader.next()) benchmark::DoNotOptimize(entry);
  }
  state.SetItemsProcessed(static_cast<std::int64_t>(kEntries) * state.iterations());
}
BENCHMARK(read_directory)->Unit(benchmark::kMillisecond);

void find_one_entry(benchmark::State& state) {
  Stored stored;
  for (auto _ : state) {
    benchmark::DoNotOptimize(find_entry(stored.chunks, stored.root, "some-file-00054321.txt"));
  }
}
BENCHMARK(find_one_entry)->Unit(benchmark::kMicrosecond);

}  // namespace
}  // namespace vgerfs::repo
