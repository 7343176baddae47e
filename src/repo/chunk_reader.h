// Reads chunks: finds their places, fetches, decrypts and (where trust asks for it) hashes them,
// and keeps decoded blocks in a cache bounded in bytes.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "backends/backend.h"
#include "repo/chunk.h"
#include "repo/index_cache.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// A decoded block: plaintext and directory. Immutable, shared.
struct DecodedBlock {
  BlockEntry entry;
  Bytes plain;
  std::vector<std::uint32_t> offsets;  // of each chunk in `plain`
  std::vector<bool> wrong;  // chunks that were hashed and are not what they claim; empty: none
};

/// A chunk inside a decoded block; keeps the block alive.
struct ChunkView {
  std::shared_ptr<const DecodedBlock> block;
  ByteView bytes;
};

/// Places that the index does not know yet: a session's own packs before their record. Thread-safe.
class PendingChunks {
 public:
  virtual ~PendingChunks() = default;
  /// The chunk's plaintext if this session wrote it and its record is not yet applied, else
  /// nullopt.
  virtual std::optional<ChunkView> find_pending(ChunkKind kind, const ChunkId& id) = 0;
};

class ChunkReader final : public ChunkSource {
 public:
  /// All must outlive the reader. `cache_bytes`: decoded blocks kept.
  ChunkReader(backends::Backend& backend, IndexCache& index, const Keyring& keyring,
              std::size_t cache_bytes);
  ~ChunkReader() override;

  Bytes get(ChunkKind kind, const ChunkId& id) override;
  /// The chunk inside its block, from the cache or fetched. Errors as ChunkSource::get. Concurrent
  /// calls for one block fetch it once.
  ChunkView view(ChunkKind kind, const ChunkId& id);
  /// Starts fetching the chunk's block in the background unless it is cached; never throws and
  /// never waits for I/O.
  void prefetch(ChunkKind kind, const ChunkId& id);
  /// Plaintext length of a chunk by the index; nullopt if unknown.
  std::optional<std::uint32_t> chunk_bytes(const ChunkId& id);

  /// Called once when a chunk or pack is missing, before loss is reported; may apply new records.
  void set_refresh(std::function<void()> refresh);
  void add_pending(PendingChunks* pending);
  void remove_pending(PendingChunks* pending);
  /// Drops every cached block (after a commit in the ingest view, so that no plaintext stays).
  void clear();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::repo
