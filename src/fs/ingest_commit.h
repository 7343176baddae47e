// The commit of a source: seals what is still in memory or in the spool, builds the changed trees,
// publishes the snapshot, and makes it the new base.
#pragma once

#include <string_view>

#include "fs/ingest_fs.h"

namespace vgerfs::fs {

class IngestSource;

/// One at a time per source; others wait. Throws FsError{EBUSY} when handles written since their
/// last FLUSH stay so for two seconds, and what the store throws: the session then goes on, but for
/// files that the store lost (they are named in the log and forgotten).
CommitReport commit_source(IngestSource& source, std::string_view trigger);

/// When the session failed for good: a new one takes its place at once, not only at the next
/// commit. False if it runs well.
bool recover_if_over(IngestSource& source);

}  // namespace vgerfs::fs
