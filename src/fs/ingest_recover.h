// After a store failed so that nobody knows what became durable: goes on with a new session,
// without the files whose bytes are lost.
#pragma once

#include <string>
#include <vector>

#include "fs/ingest_node.h"

namespace vgerfs::fs {

class IngestSource;

/// With the gate closed and the session over. Files whose chunks the store does not have any more
/// are forgotten, so that the base, or nothing, shows in their place and the next rsync sends them
/// again.
std::vector<std::string> recover_session(IngestSource& source);

/// The files that this session changed, each once.
std::vector<InodePtr> changed_files(IngestSource& source);

/// The path of an inode below its source, for messages. Tree's mutex held.
std::string path_of(const Inode& inode);

}  // namespace vgerfs::fs
