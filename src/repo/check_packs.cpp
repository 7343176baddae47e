#include "repo/check_packs.h"

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>

#include "base/byte_queue.h"
#include "base/sha256.h"
#include "base/thread.h"
#include "repo/block.h"
#include "repo/limits.h"
#include "repo/pack.h"

namespace vgerfs::repo {
namespace {

/// Everything in a pack against its index entry. `stored` and `plain` are reused memory.
PackReading read_pack(Repository& repository, const PackDescription& pack, Bytes& stored,
                      Bytes& plain) {
  PackReading reading;
  reading.pack = pack.id;
  const auto all_bad = [&](const BlockEntry& block) {
    for (const ChunkEntry& chunk : block.chunks) reading.bad_chunks.emplace_back(pack.id, chunk.id);
  };
  try {
    if (pack.stored_bytes > kMaxPackBytes)
      throw Error{ErrorCode::corrupt, "is larger than a pack may be"};
    stored.resize(pack.stored_bytes);
    repository.backend().read(format::pack_name(pack.id), 0, stored);
    reading.read_bytes = stored.size();
    if (PackId{sha256(stored)} != pack.id)
      reading.failure = "its bytes are not those that its name says";
    const PackTable table = parse_pack(stored);
    if (table.kind != pack.kind || table.block_bytes.size() != pack.blocks.size()) {
      reading.failure = "its table differs from its index record";
    }
  } catch (const Error& error) {
    if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted) throw;
    if (reading.failure.empty()) reading.failure = error.what();
    if (reading.read_bytes == 0) {
      std::for_each(pack.blocks.begin(), pack.blocks.end(), all_bad);
      return reading;
    }
  }
  for (const BlockEntry& block : pack.blocks) {
    try {
      plain.resize(plain_bytes_of(block));
      open_block(ByteView{stored}.subspan(block.offset, block.stored_bytes), block,
                 repository.keyring(), plain);
    } catch (const Error& error) {
      if (reading.failure.empty())
        reading.failure = fmt::format("block at {}: {}", block.offset, error.what());
      all_bad(block);
      continue;
    }
    std::size_t offset = 0;
    for (const ChunkEntry& chunk : block.chunks) {
      const ByteView bytes = ByteView{plain}.subspan(offset, chunk.plain_bytes);
      if (!chunk_matches(repository.keyring(), block.chunk_kind, chunk.id, bytes)) {
        if (reading.failure.empty()) {
          reading.failure =
              fmt::format("chunk {} has other content than its name says", chunk.id.short_hex());
        }
        reading.bad_chunks.emplace_back(pack.id, chunk.id);
      }
      offset += chunk.plain_bytes;
    }
  }
  return reading;
}

}  // namespace

void read_all_packs(Repository& repository, unsigned threads, const std::stop_token& stop,
                    const std::function<void(const PackReading&)>& each) {
  constexpr std::size_t kQueuedPacks = 4;
  ByteQueue<PackDescription> queue{kQueuedPacks};
  std::mutex mutex;  // guards calls of `each` and the failure
  std::exception_ptr failure;
  std::atomic<bool> failed = false;
  std::vector<std::jthread> workers;
  const unsigned count = threads != 0 ? threads : std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < count; ++i) {
    workers.push_back(start_thread("vgerfs-check", [&] {
      try {
        Bytes stored;
        Bytes plain;
        while (auto pack = queue.pop()) {
          if (failed || stop.stop_requested()) continue;
          const PackReading reading = read_pack(repository, *pack, stored, plain);
          const std::lock_guard lock{mutex};
          each(reading);
        }
      } catch (...) {
        {
          const std::lock_guard lock{mutex};
          if (!failure) failure = std::current_exception();
        }
        failed = true;
        queue.close();
      }
    }));
  }
  try {
    repository.index().for_each_pack(true, [&](const IndexedPack& indexed) {
      const PackDescription& pack = indexed.description;
      if (!failed && !stop.stop_requested()) queue.push(pack, 1);
    });
  } catch (...) {
    queue.close();
    throw;
  }
  queue.close();
  workers.clear();
  if (failure) std::rethrow_exception(failure);
  if (stop.stop_requested()) throw Error{ErrorCode::interrupted, "the check was interrupted"};
}

}  // namespace vgerfs::repo
