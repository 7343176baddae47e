// The directory that a mount goes to or is taken from.
#pragma once

#include <string>

namespace vgerfs::cli {

/// The absolute path of a directory to mount on, dead mounts on it detached: those of a daemon that
/// was killed, on top of which the new one would lie. /dev/fd/N, an open device, stays as it is.
/// Throws Error{busy} where a repository is mounted already; usage, denied, io.
std::string prepare_mount_point(const std::string& path);

/// Whether the mount point stands for a device that the caller has opened and mounted: /dev/fd/N.
bool is_open_device(const std::string& path);

/// Whether the directory answers ENOTCONN: a mount whose daemon is gone.
bool is_dead_mount(const std::string& path);

/// Throws Error{not_found} if no repository of ours is mounted on the directory. A dead mount
/// counts.
void check_mounted(const std::string& path);

/// umount2(2) without following links, through fusermount3 where this user may not. `flags` as
/// there. Throws Error{busy, denied, io} with the reason.
void detach(const std::string& path, int flags);

}  // namespace vgerfs::cli
