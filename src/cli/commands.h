// The commands of vgerfs-admin, one per source file command_<name>.cpp. The table is in admin.cpp.
#pragma once

#include "cli/command.h"

namespace vgerfs::cli {

Run add_config_check(CLI::App& app);
Run add_config_example(CLI::App& app);
Run add_version(CLI::App& app);

}  // namespace vgerfs::cli
