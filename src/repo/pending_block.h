// What a session has taken in and no index record names yet: chunks in blocks, blocks in packs.
// They can be read all the same.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "base/buffer.h"
#include "repo/block.h"
#include "repo/chunk_reader.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// A pack from its first block until its record is applied.
struct PendingPack {
  explicit PendingPack(PackKind kind_in) : kind(kind_in) {}

  const PackKind kind;
  std::mutex mutex;  // leaf; guards all below
  Buffer bytes;      // empty once stored
  std::vector<BlockEntry> blocks;
  PackId id;
  bool stored = false;
};

/// A block from its first chunk until its record is applied. The plaintext goes when it is sealed.
struct PendingBlock {
  ChunkKind kind{};
  std::uint64_t number = 0;  // in the queue of those that wait to be sealed
  std::mutex mutex;          // taken before those of packs; guards all below
  PlainBlock plain;          // while `pack` is null
  std::shared_ptr<PendingPack> pack;
  BlockEntry entry;  // once in a pack; its chunks stay in PendingPack::blocks until then
};

struct PendingChunk {
  std::shared_ptr<PendingBlock> block;
  std::uint32_t position = 0;
};

/// Pending chunks by id. Thread-safe; its mutexes are leaves.
class PendingTable {
 public:
  bool contains(const ChunkId& id) const;
  /// False if it is there. What is reserved has no block yet: its bytes are on their way into one.
  bool reserve(const ChunkId& id) { return add(id, {}); }
  /// False, and nothing changes, if it is there.
  bool add(const ChunkId& id, PendingChunk chunk);
  void set(const ChunkId& id, PendingChunk chunk);
  void erase(const ChunkId& id);
  /// nullopt also for one that is only reserved.
  std::optional<PendingChunk> find(const ChunkId& id) const;

 private:
  struct Shard {
    mutable std::mutex mutex;
    std::unordered_map<ChunkId, PendingChunk> chunks;  // guarded by mutex
  };
  static constexpr std::size_t kShards = 64;

  Shard& shard_of(const ChunkId& id) { return shards_[id.prefix() % kShards]; }
  const Shard& shard_of(const ChunkId& id) const { return shards_[id.prefix() % kShards]; }

  std::array<Shard, kShards> shards_;
};

/// The chunk's plaintext, wherever its block is by now: still open, sealed, or stored.
ChunkView read_pending(const PendingChunk& chunk, backends::Backend& backend,
                       const Keyring& keyring);

}  // namespace vgerfs::repo
