// What the browse view needs of a repository: the list of snapshots and their chunks. A seam, so
// that the view is tested in memory.
#pragma once

#include <memory>

#include "repo/chunk.h"
#include "repo/chunk_reader.h"
#include "repo/repository.h"

namespace vgerfs::fs {

/// Thread-safe.
class BrowseSource : public repo::ChunkSource {
 public:
  /// As of the last refresh; the same pointer while nothing changed. Does no I/O to speak of.
  virtual std::shared_ptr<const repo::SnapshotList> list() = 0;
  /// Asks the store what is new. Throws what Repository::refresh throws.
  virtual void refresh() = 0;

  /// The chunk inside its block, which the view keeps alive. Errors as ChunkSource::get.
  virtual repo::ChunkView view(repo::ChunkKind kind, const ChunkId& id) = 0;
  /// Starts fetching; never throws, never waits.
  virtual void prefetch(repo::ChunkKind kind, const ChunkId& id) = 0;
};

/// An open repository, which must outlive it.
std::unique_ptr<BrowseSource> browse_repository(repo::Repository& repository);

}  // namespace vgerfs::fs
