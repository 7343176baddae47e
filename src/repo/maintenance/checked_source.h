// Reads metadata chunks as a check does: from where the index says that they are, and hashed.
#pragma once

#include <atomic>
#include <cstdint>
#include <mutex>
#include <optional>
#include <set>

#include "repo/chunk_reader.h"
#include "repo/index_cache.h"
#include "repo/keyring.h"
#include "repo/maintenance/bad_places.h"
#include "repo/maintenance/chunk_table.h"

namespace vgerfs::repo {

/// Thread-safe. All that it refers to must outlive it.
class CheckedSource final : public ChunkSource {
 public:
  CheckedSource(ChunkReader& reader, IndexCache& index, const Keyring& keyring, ChunkTable& table,
                const BadPlaces& bad)
      : reader_(reader), index_(index), keyring_(keyring), table_(table), bad_(bad) {}

  /// Throws not_found or corrupt without reading for what is known to be bad.
  Bytes get(ChunkKind kind, const ChunkId& id) override;

  /// Length of a chunk with a place that is good as far as is known; else nullopt.
  std::optional<std::uint32_t> plain_bytes(ChunkKind kind, const ChunkId& id) const;
  /// Packs that should have had what could not be read.
  std::set<PackId> failed_packs() const {
    const std::lock_guard lock{mutex_};
    return failed_packs_;
  }
  /// Tree nodes read so far.
  std::uint64_t nodes() const noexcept { return nodes_; }

 private:
  void fail(const ChunkId& id);

  ChunkReader& reader_;
  IndexCache& index_;
  const Keyring& keyring_;
  ChunkTable& table_;
  const BadPlaces& bad_;
  std::atomic<std::uint64_t> nodes_ = 0;
  mutable std::mutex mutex_;       // leaf
  std::set<PackId> failed_packs_;  // guarded by mutex_
};

}  // namespace vgerfs::repo
