// The command line of `vgerfs REPO MOUNTPOINT [-f] [-v] -o …`, which is also that of mount(8)'s
// helper `mount.fuse.vgerfs REPO MOUNTPOINT [-s -f -n -v] -o …`. Meaning of each option: vgerfs(8).
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/command.h"
#include "fs/mount_switches.h"

namespace vgerfs::cli {

/// A plain value. Nothing is looked up yet: neither file nor configuration.
struct MountCommand : fs::MountSwitches {
  std::string mount_point;
  bool foreground = false;  ///< stay in the foreground (vgerfs -f)
  bool fake = false;        ///< parse only (mount -f)
  bool help = false;
  bool version = false;

  /// repository, config, secret, cache_dir, state_dir, host, accept_rollback.
  GlobalOptions global;
  bool verbose = false;

  bool ingest_only = false;

  std::optional<std::uint64_t> cache_bytes;
  std::optional<std::uint64_t> spool_bytes;
  std::optional<std::chrono::seconds> autocommit;  ///< zero: never
  std::optional<std::chrono::seconds> checkpoint_interval;
};

/// `arguments` without the program's name; `as_helper`: called by mount(8). Throws Error{usage}
/// with a hint; an unknown option is an error unless mount(8) asked for sloppiness.
MountCommand parse_mount_command(std::span<const char* const> arguments, bool as_helper);

/// The text of --help.
std::string mount_help();

/// All options that are known, those that are refused included: the manual names each.
std::vector<std::string_view> mount_option_names();

}  // namespace vgerfs::cli
