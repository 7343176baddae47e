// Opening files that cannot lie outside a directory: openat2(2) that follows no symbolic link and
// leaves no tree, whatever somebody has planted there.
#pragma once

#include <sys/types.h>

#include <optional>
#include <string>

#include "base/fd.h"

namespace vgerfs::server {

/// Of all that the server makes: nobody else's business.
inline constexpr mode_t kDirectoryMode = 0700;

/// nullopt if it is certainly absent. Throws `denied` where a symbolic link or a way out is met,
/// `unsupported` if this system has no openat2.
std::optional<Fd> open_beneath(int directory, const std::string& path, int flags, mode_t mode = 0);

/// fsync(2) of an open directory or file; `what` for the message.
void sync(int fd, const std::string& what);

}  // namespace vgerfs::server
