// A mount's status as JSON: .vgerfs/status.json, documented in vgerfs(8).
#pragma once

#include <string>

#include "fs/mount_status.h"

namespace vgerfs::cli {

std::string format_status_json(const fs::MountStatus& status);

/// What a program that waits for a mount to end or commit needs of it.
struct ParsedMountStatus {
  long pid = 0;
  std::vector<std::pair<std::string, std::string>> errors;  // source, its last error
};
/// Of untrusted text; what is not there stays empty.
ParsedMountStatus parse_status_json(const std::string& text);

}  // namespace vgerfs::cli
