// vgerfs-server's command line: serving, and the host's own commands (tokens, trash, rescan), which
// work on the data directory beside a running server.
#pragma once

namespace vgerfs::server {

/// Exit status: 0 ok, 1 failed, 2 usage or configuration. Never throws.
int run_command_line(int argc, char** argv);

}  // namespace vgerfs::server
