// Rebuilds an interrupted session of a source from its journal.
#pragma once

#include <unordered_set>

#include "base/ids.h"

namespace vgerfs::fs {

class IngestSource;

/// With the source's gate closed and its lock held. If there is a journal, starts the session, puts
/// the blocks that only the journal has into the store, and shows the tree as it was when the
/// journal was last written, but for files whose chunks maintenance has taken meanwhile. False:
/// there is none, or what it says was committed; it is gone then. Throws corrupt, naming the file;
/// what reading the base and starting a session throws.
bool resume_session(IngestSource& source);

/// With the gate closed and a session running: puts the blocks that the journal has into the store.
/// Returns their chunks.
std::unordered_set<ChunkId> restore_blocks(IngestSource& source);

}  // namespace vgerfs::fs
