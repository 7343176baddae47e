#include "repo/maintenance/usage.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/stops_work.h"
#include "repo/node_walk.h"

namespace vgerfs::repo {
namespace {

/// Which snapshot needs a chunk: open addressing, since there are many.
class Owners {
 public:
  static constexpr std::uint32_t kShared = UINT32_MAX;

  explicit Owners(std::uint64_t expected) {
    resize(std::max<std::uint64_t>(expected, 1024) * 3 / 2);
  }

  /// `snapshot` needs it. True if that was not known: it had no owner, or another one.
  bool add(const ChunkId& id, std::uint32_t snapshot) {
    if (count_ * 4 > keys_.size() * 3) resize(keys_.size() * 2);
    const std::size_t slot = find(key_of(id));
    if (keys_[slot] == 0) {
      keys_[slot] = key_of(id);
      owners_[slot] = snapshot;
      ++count_;
      return true;
    }
    if (owners_[slot] == snapshot || owners_[slot] == kShared) return false;
    owners_[slot] = kShared;
    return true;
  }

  struct Owner {
    bool found = false;
    std::uint32_t snapshot = 0;
  };
  /// Once for each chunk: a second time it is not found.
  Owner take(const ChunkId& id) {
    const std::size_t slot = find(key_of(id));
    if (keys_[slot] == 0 || owners_[slot] == kTaken) return {};
    return {true, std::exchange(owners_[slot], kTaken)};
  }

 private:
  static constexpr std::uint32_t kTaken = kShared - 1;

  static std::uint64_t key_of(const ChunkId& id) noexcept {
    return std::max<std::uint64_t>(id.prefix(), 1);  // 0: a free slot
  }
  std::size_t find(std::uint64_t key) const noexcept {
    // Ids are hashes already; who chooses them may make this slow, for himself.
    std::size_t slot = static_cast<std::size_t>((key * 0x9e3779b97f4a7c15U) >> shift_);
    while (keys_[slot] != 0 && keys_[slot] != key) slot = (slot + 1) & (keys_.size() - 1);
    return slot;
  }
  void resize(std::uint64_t wanted) {
    unsigned bits = 10;
    while ((std::uint64_t{1} << bits) < wanted) ++bits;
    std::vector<std::uint64_t> keys = std::exchange(keys_, {});
    std::vector<std::uint32_t> owners = std::exchange(owners_, {});
    keys_.resize(std::size_t{1} << bits);
    owners_.resize(keys_.size());
    shift_ = 64 - bits;
    for (std::size_t i = 0; i < keys.size(); ++i) {
      if (keys[i] == 0) continue;
      const std::size_t slot = find(keys[i]);
      keys_[slot] = keys[i];
      owners_[slot] = owners[i];
    }
  }

  unsigned shift_ = 64;
  std::vector<std::uint64_t> keys_;
  std::vector<std::uint32_t> owners_;
  std::uint64_t count_ = 0;
};

void walk(Repository& repository, const Snapshot& snapshot, std::uint32_t number, Owners& owners,
          const std::stop_token& stop) {
  try {
    for_each_chunk(
        repository.reader(), snapshot.root,
        [&](ChunkKind, const ChunkId& id) {
          throw_if_stopped(stop);
          // One that was another's alone is followed again, to say so of what is below.
          return owners.add(id, number);
        },
        [&](const ChunkId& id) { owners.add(id, number); });
  } catch (Error& error) {
    error.add_context(fmt::format("snapshot {}", snapshot.id.short_hex()));
    throw;
  }
}

void add(ChunkUsage& to, const BlockEntry& block, std::uint64_t block_bytes,
         const ChunkEntry& chunk) {
  ++to.chunks;
  to.plain_bytes += chunk.plain_bytes;
  if (block_bytes > 0)
    to.stored_bytes += std::uint64_t{block.stored_bytes} * chunk.plain_bytes / block_bytes;
}

}  // namespace

RepositoryUsage measure_usage(Repository& repository, const SnapshotList& list,
                              const std::stop_token& stop,
                              const std::function<void(std::uint64_t)>& progress) {
  Owners owners{repository.index().totals().chunks};
  RepositoryUsage usage;
  usage.exclusive.resize(list.snapshots.size());
  for (std::uint32_t i = 0; i < list.snapshots.size(); ++i) {
    const Snapshot& snapshot = *list.snapshots[i].snapshot;
    if (snapshot.kind == kTreeSnapshot) walk(repository, snapshot, i, owners, stop);
    progress(i + 1);
  }
  repository.index().for_each_pack(true, [&](const IndexedPack& pack) {
    throw_if_stopped(stop);
    for (const BlockEntry& block : pack.description.blocks) {
      std::uint64_t block_bytes = 0;
      for (const ChunkEntry& chunk : block.chunks) block_bytes += chunk.plain_bytes;
      for (const ChunkEntry& chunk : block.chunks) {
        const Owners::Owner owner = owners.take(chunk.id);
        ChunkUsage& to = !owner.found                        ? usage.unused
                         : owner.snapshot == Owners::kShared ? usage.shared
                                                             : usage.exclusive[owner.snapshot];
        add(to, block, block_bytes, chunk);
      }
    }
  });
  return usage;
}

}  // namespace vgerfs::repo
