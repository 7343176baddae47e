// Hard links of the base: an inode that was changed under one name has to change under its other
// names, wherever they lie.
#pragma once

namespace vgerfs::fs {

class IngestSource;

/// With the source's gate closed: looks up every name of the changed inodes, so that their
/// directories are built anew. Reads the trees only if a name is missing.
void find_changed_links(IngestSource& source);

}  // namespace vgerfs::fs
