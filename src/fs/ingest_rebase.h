// A source without a session goes over to a snapshot that another process made: directories that
// are still there stay the nodes that they are, since a process may stand in one; the rest is
// looked up again.
#pragma once

#include "repo/last_snapshot.h"

namespace vgerfs::fs {

class IngestSource;

/// With the source's gate closed, no session, and a root. Tells the kernel what to look up again.
void rebase_source(IngestSource& source, const repo::LastSnapshot& snapshot);

}  // namespace vgerfs::fs
