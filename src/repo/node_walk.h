// Every chunk of a tree, metadata each once: for those who ask what a snapshot needs, not where it
// lies in the tree.
#pragma once

#include <functional>

#include "repo/chunk.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Calls `enter` for each reference to a tree node, extent node or blob below `root`. True: it was
/// not met before, its content is read and followed; false: it is left out. Work and memory are
/// bounded by the chunks that are entered. Throws what reading throws.
void for_each_metadata_chunk(ChunkSource& source, const Entry& root,
                             const std::function<bool(ChunkKind kind, const ChunkId& id)>& enter);

/// The same, and calls `need` for each reference to a chunk of file data, again and again for one
/// that is referred to again.
void for_each_chunk(ChunkSource& source, const Entry& root,
                    const std::function<bool(ChunkKind kind, const ChunkId& id)>& enter,
                    const std::function<void(const ChunkId& id)>& need);

}  // namespace vgerfs::repo
