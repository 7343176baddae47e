// vgerfs-admin as a function.
#pragma once

#include <span>

#include "cli/command.h"
#include "cli/io.h"

namespace vgerfs::cli {

/// Parses the command line, runs one command, prints what went wrong. Returns the exit status;
/// never throws.
int run_admin(int argc, const char* const* argv, Io& io);

/// All commands, in the order of the help text.
std::span<const Command> commands();

/// Declares global options and all commands. Returns what the parsed command does, to be asked
/// after parsing; both arguments must outlive it.
std::function<Run()> declare(CLI::App& app, GlobalOptions& options);

}  // namespace vgerfs::cli
