// Chunks that lie only in condemned packs: whoever takes over what another snapshot refers to must
// store these anew.
#pragma once

#include <unordered_set>

#include "repo/index_cache.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// As of one moment. Memory: the chunks of condemned packs that nothing else holds; none usually.
class LeavingChunks {
 public:
  LeavingChunks(IndexCache& index, const crypto::PublicKey& author, DedupPolicy policy);

  /// Whether content or attributes of a file need one of them, or cannot be told: then it is to be
  /// read again. Extent nodes are read from `nodes`.
  bool are_needed_by(const Entry& file, ChunkSource& nodes) const;

 private:
  std::unordered_set<ChunkId> chunks_;
};

}  // namespace vgerfs::repo
