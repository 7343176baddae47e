// umount(8)'s table of helpers, /run/mount/utab. For an absolute path umount(8) asks the kernel
// only for the kind of file system, hears `fuse`, and would not find umount.fuse.vgerfs: the mount
// would vanish without a commit. An entry that names the helper prevents that.
#pragma once

#include <string>

namespace vgerfs::cli {

/// Enters a mount; logs what prevents it. Only root can, and only root needs it: for others
/// umount(8) looks closer.
void enter_into_mount_table(const std::string& source, const std::string& mount_point) noexcept;
/// Removes the entry of a mount that is gone. One that stays behind does no harm.
void remove_from_mount_table(const std::string& mount_point) noexcept;

}  // namespace vgerfs::cli
