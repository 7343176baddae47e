// After a store failed so that nobody knows what became durable: goes on with a new session,
// without the files whose bytes are lost.
#pragma once

#include <string>
#include <unordered_set>
#include <vector>

#include "fs/ingest_node.h"

namespace vgerfs::fs {

class IngestSource;

/// With the gate closed and the session over. Files whose chunks the store does not have any more
/// are forgotten, so that the base, or nothing, shows in their place and the next rsync sends them
/// again.
std::vector<std::string> recover_session(IngestSource& source);

/// With the gate closed and a session running: relies on the chunks that the session's files need
/// and forgets, as above, files that lack one. `restored`: chunks that need not be asked for.
/// `resumed`: the files are those of an interrupted session; maintenance may have taken it for
/// dead.
std::vector<std::string> drop_lost_files(IngestSource& source,
                                         const std::unordered_set<ChunkId>& restored, bool resumed);

/// The files that this session changed, each once.
std::vector<InodePtr> changed_files(IngestSource& source);

/// The path of an inode below its source, for messages. Tree's mutex held.
std::string path_of(const Inode& inode);

}  // namespace vgerfs::fs
