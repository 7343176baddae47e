// Chunks in memory, for tests of what is built of chunks.
#pragma once

#include <map>
#include <mutex>
#include <utility>

#include "base/error.h"
#include "base/sha256.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

/// Names chunks by SHA-256 of kind and bytes. Counts what passes. Thread-safe.
class MemoryChunks final : public ChunkSink, public ChunkSource {
 public:
  ChunkId put(ChunkKind kind, ByteView bytes) override {
    Bytes named{static_cast<std::byte>(kind)};
    append(named, bytes);
    const ChunkId id{sha256(named)};
    const std::lock_guard lock{mutex_};
    ++puts_;
    if (chunks_.try_emplace({kind, id}, Bytes{bytes.begin(), bytes.end()}).second) ++added_;
    return id;
  }

  Bytes get(ChunkKind kind, const ChunkId& id) override {
    const std::lock_guard lock{mutex_};
    ++gets_;
    const auto found = chunks_.find({kind, id});
    if (found == chunks_.end()) throw Error{ErrorCode::not_found, "no chunk " + id.short_hex()};
    return found->second;
  }

  /// Makes the id yield other bytes, or nothing.
  void replace(ChunkKind kind, const ChunkId& id, Bytes bytes) {
    chunks_[{kind, id}] = std::move(bytes);
  }
  void remove(ChunkKind kind, const ChunkId& id) { chunks_.erase({kind, id}); }

  const std::map<std::pair<ChunkKind, ChunkId>, Bytes>& all() const { return chunks_; }
  std::size_t puts() const { return puts_; }
  /// Chunks that were not there before.
  std::size_t added() const { return added_; }
  std::size_t gets() const { return gets_; }
  void reset_counters() { puts_ = added_ = gets_ = 0; }

 private:
  std::mutex mutex_;
  std::map<std::pair<ChunkKind, ChunkId>, Bytes> chunks_;  // guarded by mutex_, as all below
  std::size_t puts_ = 0;
  std::size_t added_ = 0;
  std::size_t gets_ = 0;
};

}  // namespace vgerfs::repo
