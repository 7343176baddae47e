#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/commands.h"

namespace vgerfs::cli {
namespace {

/// The repository format that this program writes; it reads it and all earlier ones.
constexpr int kFormatVersion = 1;

ExitCode print_version(Context& context) {
  context.output.result(
      fmt::format("vgerfs-admin {}, repository format {}\n", VGERFS_VERSION, kFormatVersion));
  context.output.json({{"version", VGERFS_VERSION}, {"format", kFormatVersion}});
  return ExitCode::ok;
}

}  // namespace

Run add_version(CLI::App&) { return print_version; }

}  // namespace vgerfs::cli
