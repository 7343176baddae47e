#include "repo/leaving_chunks.h"

#include "base/error.h"
#include "repo/node_walk.h"

namespace vgerfs::repo {

LeavingChunks::LeavingChunks(IndexCache& index, const crypto::PublicKey& author,
                             DedupPolicy policy) {
  for (const Condemnation& condemnation : index.facts().condemnations) {
    for (const IndexedPack& pack : index.find_pack(condemnation.pack)) {
      for (const BlockEntry& block : pack.description.blocks) {
        for (const ChunkEntry& chunk : block.chunks) {
          if (!index.knows(chunk.id, author, policy)) chunks_.insert(chunk.id);
        }
      }
    }
  }
}

bool LeavingChunks::are_needed_by(const Entry& file, ChunkSource& nodes) const {
  if (chunks_.empty()) return false;
  bool needed = false;
  const auto look = [&](const ChunkId& id) { needed = needed || chunks_.contains(id); };
  try {
    for_each_chunk(
        nodes, file,
        [&](ChunkKind, const ChunkId& id) {
          look(id);
          return !needed;
        },
        look);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found && error.code() != ErrorCode::corrupt) throw;
    return true;
  }
  return needed;
}

}  // namespace vgerfs::repo
