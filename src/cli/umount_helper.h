// `umount.fuse.vgerfs DIR [-f -l -n -r -v]`: what umount(8) runs. umount(2) returns before the
// daemon could commit, and has no way to say that it could not: so this commits first, waits, and
// only then unmounts.
//
//     plain   commit; if that fails, say why, leave the mount, exit non-zero
//     -l      commit; if that fails, say why, detach all the same (the next mount goes on with the
//     session) -f      do not commit, abort what waits: for a store that does not answer
#pragma once

#include <span>

#include "cli/io.h"

namespace vgerfs::cli {

/// `arguments` without the program's name. Returns the exit status. Throws Error.
int run_umount(std::span<const char* const> arguments, const Io& io);

}  // namespace vgerfs::cli
