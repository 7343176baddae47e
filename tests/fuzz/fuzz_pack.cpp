// Packs: header, trailer and table, then whole packs that no record names, as rebuild-index meets
// them in the store.
#include <numeric>

#include "fuzz_support.h"
#include "repo/maintenance/pack_examination.h"
#include "repo/pack.h"
#include "support/memory_backend.h"

namespace {

using namespace vgerfs;

void check_table(ByteView pack) {
  const repo::PackTable table = repo::parse_pack(pack);
  VGERFS_CHECK(!table.block_bytes.empty());
  const std::uint64_t blocks =
      std::accumulate(table.block_bytes.begin(), table.block_bytes.end(), std::uint64_t{0});
  VGERFS_CHECK(repo::kPackHeaderBytes + blocks + repo::pack_tail_bytes(table.block_bytes.size()) ==
               pack.size());
  // From ranges the same.
  const std::size_t tail =
      repo::parse_pack_trailer(pack.last(repo::kPackTrailerBytes), pack.size());
  VGERFS_CHECK(repo::parse_pack_table(pack.last(tail), pack.size()) == table.block_bytes);
}

void examine(ByteView pack) {
  testing::MemoryBackend store;
  const format::ObjectName name = backends::write_object(store, format::ObjectType::pack, pack);
  store.barrier();
  repo::PackDescription found;
  const repo::PackReading reading =
      repo::examine_unnamed_pack(store, fuzz::keyring(), PackId{name.id.bytes()}, {}, found);
  VGERFS_CHECK(reading.intact && !reading.missing && !reading.store_failed);
  std::uint64_t end = 0;
  for (const repo::BlockEntry& block : found.blocks) {
    VGERFS_CHECK(block.offset >= end);
    end = std::uint64_t{block.offset} + block.stored_bytes;
    VGERFS_CHECK(end <= pack.size());
  }
}

}  // namespace

int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const ByteView pack{reinterpret_cast<const std::byte*>(data), size};
  fuzz::decode([&] { check_table(pack); });
  fuzz::decode([&] { examine(pack); });
  return 0;
}
