// Everything that a command line program takes from its surroundings, as one value: tests run whole
// commands in their own process with pipes, a made-up environment and a manual clock.
#pragma once

#include <functional>
#include <optional>
#include <stop_token>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace vgerfs::cli {

/// The surroundings of one run. Does not own the descriptors. Commands poll `stop`, or hand it to
/// the core.
///
///     Io io = system_io(signals.token());
///     return run_admin(argc, argv, io);
struct Io {
  int in = 0;
  int out = 1;
  int err = 2;
  /// Value of an environment variable; nullopt if it is not set. An empty value counts as not set.
  std::function<std::optional<std::string>(const std::string& name)> environment;
  std::function<bool(int fd)> is_terminal;
  /// Width of the terminal on `err` in columns.
  std::function<unsigned()> terminal_columns;
  const Clock* clock = nullptr;
  /// Asked for by SIGINT or SIGTERM.
  std::stop_token stop;
  /// Where the system's configuration lies.
  std::string system_config_directory = "/etc/vgerfs";
  unsigned uid = 0;
  unsigned gid = 0;
};

/// The real surroundings of this process.
Io system_io(std::stop_token stop);

/// All bytes to a descriptor. Throws Error.
void print(int fd, std::string_view text);

/// Throws Error{interrupted} once a stop is asked for.
void check_interrupted(const Io& io);

}  // namespace vgerfs::cli
