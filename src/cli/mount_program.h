// The program `vgerfs`, which is also mount(8)'s and umount(8)'s helper when it is called by their
// names.
#pragma once

namespace vgerfs::cli {

/// Parses, mounts, and serves in the background or until a signal ends it. By the name in argv[0]:
/// mount.fuse.vgerfs (also mount.vgerfs), umount.fuse.vgerfs (umount.vgerfs), else vgerfs. Returns
/// the exit status, MountExitCode.
int run_vgerfs(int argc, const char* const* argv);

}  // namespace vgerfs::cli
