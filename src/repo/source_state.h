// What a client keeps of each source between backups, in its state directory: the id and manifest of its last snapshot, that snapshot's
// metadata chunks (for a key that cannot read the repository), and fingerprints of the files as they were read.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <functional>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/secret.h"
#include "repo/chunk.h"
#include "repo/snapshot.h"

namespace vgerfs::repo {

/// Metadata chunks (trees, extents, blobs) on the client's own disk, each sealed with a key derived from K_meta, so that they can be read
/// without sk. SQLite `path`. Thread-safe; several processes.
class TreeStore : public ChunkSource {
 public:
  static std::unique_ptr<TreeStore> open(const std::string& path, crypto::Secret local_key, const RepositoryId& repository);

  /// Remembers chunks; written in batches, durable after flush().
  virtual void put(ChunkKind kind, const ChunkId& id, ByteView bytes) = 0;
  virtual bool contains(const ChunkId& id) = 0;
  virtual void flush() = 0;
  /// Drops every chunk for which `keep` is false. 
  virtual void retain(const std::function<bool(const ChunkId&)>& keep) = 0;
  // get(): throws not_found if it is not here.
};

/// Fingerprints of a source's files: 64-bit hashes of path → of (device, inode, size, mtime, ctime). Memory-mapped, sorted; valid for one
/// snapshot only.
class FileFingerprints {
 public:
  virtual ~FileFingerprints() = default;
  /// Reads the file; empty (matches nothing) if it is absent, damaged or of another snapshot.
  static std::unique_ptr<FileFingerprints> open(const std::string& path, const SnapshotId& snapshot);
  virtual bool matches(std::uint64_t path_hash, std::uint64_t stat_hash) const = 0;
};

/// Collects fingerprints and writes them for the snapshot they belong to. One thread at a time.
class FingerprintWriter {
 public:
  void add(std::uint64_t path_hash, std::uint64_t stat_hash);
  /// Sorts and replaces `path` atomically.
  void write(const std::string& path, const SnapshotId& snapshot);

 private:
  struct Row {
    std::uint64_t path_hash;
    std::uint64_t stat_hash;
  };
  std::vector<Row> rows_;
};

/// The last snapshot of a (host, source) that this client made or saw: `directory`/last, sealed with a local key. Writes are atomic.
struct LastSnapshot {
  SnapshotId id;
  Timestamp time;
  format::proto::Entry root;
};
std::optional<LastSnapshot> read_last_snapshot(const std::string& path, const crypto::Secret& local_key, const RepositoryId& repository);
void write_last_snapshot(const std::string& path, const LastSnapshot& snapshot, const crypto::Secret& local_key, const RepositoryId& repository);

}  // namespace vgerfs::repo
