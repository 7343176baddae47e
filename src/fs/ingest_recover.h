// After a store failed so that nobody knows what became durable: goes on with a new session,
// without the files whose bytes are lost.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "fs/ingest_node.h"

namespace vgerfs::fs {

class IngestSource;

struct Recovery {
  std::vector<std::string> lost;                           // paths below the source
  std::vector<std::pair<NodeId, std::string>> invalidate;  // names that show something else now
};

/// With the gate closed and the session over. Files whose chunks the store does not have any more
/// are forgotten, so that the base, or nothing, shows in their place and the next rsync sends them
/// again.
Recovery recover_session(IngestSource& source);

/// The files that this session changed, each once.
std::vector<InodePtr> changed_files(IngestSource& source);

/// The path of an inode below its source, for messages. Tree's mutex held.
std::string path_of(const Inode& inode);

}  // namespace vgerfs::fs
