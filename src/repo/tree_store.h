// The metadata chunks (trees, extents, blobs) of a source's last snapshot on the client's own disk,
// so that a key that cannot read the repository can back up incrementally.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "base/bytes.h"
#include "base/ids.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

/// SQLite database `path`, each chunk sealed (local_seal.h). Thread-safe; several processes. Losing
/// it costs the next backup time. A damaged database is made anew when it is opened next; a damaged
/// chunk throws corrupt and is dropped, so that it can be put again.
class TreeStore : public ChunkSource {
 public:
  /// The directory of `path` exists. `random` outlives the store.
  static std::unique_ptr<TreeStore> open(const std::string& path, crypto::Secret local_key,
                                         const RepositoryId& repository,
                                         crypto::Random& random = crypto::system_random());

  /// Remembers a chunk (at most kMaxChunkBytes); written in batches, durable after flush(). What
  /// was not flushed when the store goes is lost.
  virtual void put(ChunkKind kind, const ChunkId& id, ByteView bytes) = 0;
  virtual bool contains(const ChunkId& id) = 0;
  virtual void flush() = 0;
  /// Drops every chunk for which `keep` is false, and gives its space back. `keep` may use the
  /// store.
  virtual void retain(const std::function<bool(const ChunkId&)>& keep) = 0;
  // get(): throws not_found if it is not here as a chunk of that kind.
};

}  // namespace vgerfs::repo
