// What a mount says about itself, in .vgerfs/status and to whoever formats it otherwise.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <string>
#include <vector>

#include "base/clock.h"
#include "fs/ingest_fs.h"

namespace vgerfs::fs {

/// A plain value: the state at one moment.
struct MountStatus {
  std::string repository;  // location, without credentials
  std::string repository_id;
  std::string mount_point;
  std::string host;
  pid_t pid = 0;
  Timestamp mounted_at;
  bool can_read = false;  // false: the key may only add
  bool read_only = false;
  std::uint64_t snapshots = 0;
  std::uint64_t unreadable_snapshots = 0;
  std::vector<SourceStatus> sources;  // with a session in progress, or a commit that failed
  std::vector<std::string> warnings;
  std::vector<std::string> damage;
};

/// Lines for people.
std::string format_status(const MountStatus& status);

}  // namespace vgerfs::fs
