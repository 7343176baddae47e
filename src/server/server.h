// Puts the server together: `vgerfs-server` without a command.
#pragma once

#include "server/server_config.h"

namespace vgerfs::server {

/// Serves until a signal ends it. `sources` is read again at SIGHUP. Returns the exit status.
/// Throws Error.
int run_server(const ConfigSources& sources);

}  // namespace vgerfs::server
