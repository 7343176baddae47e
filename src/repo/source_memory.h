// What this client remembers of a source between sessions, in one place: on which snapshot a new
// session builds, where that snapshot's trees can be read, and the fingerprints of its files.
// Files: docs/ARCHITECTURE.md, "Client files".
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "repo/chunk.h"
#include "repo/fingerprints.h"
#include "repo/last_snapshot.h"
#include "repo/repository.h"
#include "repo/tree_store.h"

namespace vgerfs::repo {

/// A view of `sources/<host>/<source>` in the state directory. The caller holds the source's lock
/// while it writes. The repository must outlive it. Thread-safe.
class SourceMemory {
 public:
  SourceMemory(Repository& repository, std::string_view host, std::string_view source);

  /// With a full key the newest snapshot of the line; with an ingest key, which cannot read the
  /// others, the last one that this client made, unless the store no longer lists it or it was
  /// removed. As of the repository's last refresh.
  std::optional<LastSnapshot> last();

  /// False: with an ingest key, this client has lost the snapshot's trees, or their root at least.
  bool has_trees(const LastSnapshot& snapshot);

  /// Where the trees of `last()` are read: the repository, or with an ingest key what `sink` kept.
  ChunkSource& trees();
  /// What a session's metadata must go through: with an ingest key it is kept here as well as
  /// stored. `session` must outlive the result; thread-safe.
  std::unique_ptr<ChunkSink> sink(ChunkSink& session);

  /// What went through a sink is durable here when it returns.
  void flush();

  std::unique_ptr<FileFingerprints> fingerprints(const SnapshotId& snapshot) const;

  /// After a commit: this is the last snapshot now. With an ingest key, makes its trees durable and
  /// drops those that it does not need. `fingerprints` may be null: then none are valid.
  void remember(const LastSnapshot& snapshot, FingerprintWriter* fingerprints);
  /// The last snapshot stays, its fingerprints are new.
  void remember_fingerprints(const SnapshotId& snapshot, FingerprintWriter& fingerprints) const;

 private:
  TreeStore& tree_store();

  Repository& repository_;
  const std::string host_;
  const std::string source_;
  const std::string directory_;
  std::mutex mutex_;                  // guards the next
  std::unique_ptr<TreeStore> trees_;  // once needed; ingest role only
};

/// Whether the store lists the snapshot and nobody has removed it. As of the last refresh.
bool is_there(Repository& repository, const SnapshotId& id);

}  // namespace vgerfs::repo
