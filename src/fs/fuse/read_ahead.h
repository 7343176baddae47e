// The kernel's read-ahead for a mount.
#pragma once

#include <string>

namespace vgerfs::fs {

/// Raises it to 1 MiB, which buffered reads need to be fast; without permission it stays as it is.
void raise_read_ahead(const std::string& mount_point) noexcept;

/// "0:53" of the mount on top of this directory, from the text of /proc/self/mountinfo; empty if
/// there is none.
std::string device_of_mount(const std::string& mountinfo, const std::string& mount_point);

}  // namespace vgerfs::fs
