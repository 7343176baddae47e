// commit: makes snapshots of what was put into a mount's ingest/.
#include <fcntl.h>
#include <unistd.h>

#include <cerrno>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "base/fd.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/mount_point.h"
#include "cli/mount_status_json.h"
#include "repo/certificate.h"

namespace vgerfs::cli {
namespace {

constexpr std::size_t kMaxStatusBytes = std::size_t{4} << 20;

struct CommitOptions {
  std::string mount_point;
  std::vector<std::string> sources;
};

Fd open_control(const std::string& mount_point) {
  check_mounted(mount_point);
  const std::string path = mount_point + "/.vgerfs/commit";
  const int fd = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
  if (fd < 0 && errno == ENOENT) {
    throw Error{
        ErrorCode::read_only,
        fmt::format("{}: mounted read-only: there is nothing to commit", printable(mount_point))};
  }
  if (fd < 0) throw system_error(errno, path);
  return Fd{fd};
}

/// Why a source's last commit failed, as the mount tells it: an errno says less. Empty if it does
/// not.
std::string reason_of(const std::string& mount_point, const std::string& source) {
  try {
    const Bytes text = read_whole_file(mount_point + "/.vgerfs/status.json", kMaxStatusBytes);
    for (const auto& [name, reason] : parse_status_json(std::string{text_of(text)}).errors) {
      if (name == source || source == "*") return reason;
    }
  } catch (const Error&) {
    return {};
  }
  return {};
}

/// `source` "*": all of them.
void commit_source(Context& context, const Fd& control, const std::string& mount_point,
                   const std::string& source) {
  const std::string line = fmt::format("{} command\n", source);
  const std::string what =
      source == "*" ? printable(mount_point) : fmt::format("source {}", printable(source));
  const ssize_t written = ::write(control.get(), line.data(), line.size());
  if (written >= 0) return;
  const int error_number = errno;
  check_interrupted(context.io);
  if (error_number == ENOENT) {
    throw Error{ErrorCode::not_found,
                fmt::format("there is no {} in {}/ingest", what, printable(mount_point))};
  }
  Error error = system_error(error_number, fmt::format("{}: the commit failed", what));
  const std::string reason = reason_of(mount_point, source);
  if (!reason.empty())
    error = Error{error.code(), fmt::format("{}: the commit failed: {}", what, reason)};
  if (error_number == EBUSY)
    error.set_hint("a file is still open for writing, or another process works on this source");
  throw error;
}

ExitCode commit(Context& context, const CommitOptions& options) {
  const std::string mount_point = absolute_path(options.mount_point, working_directory());
  for (const std::string& source : options.sources) {
    if (repo::is_valid_name(source)) continue;
    throw Error{ErrorCode::usage,
                fmt::format("\"{}\" is not the name of a source", printable(source)),
                repo::kNameRule};
  }
  const Fd control = open_control(mount_point);
  for (const std::string& source : options.sources)
    commit_source(context, control, mount_point, source);
  if (options.sources.empty()) commit_source(context, control, mount_point, "*");
  for (const std::string& source : options.sources)
    context.output.line(fmt::format("committed {}", source));
  if (options.sources.empty()) context.output.line("committed all sources");
  context.output.json({{"mount_point", mount_point},
                       {"sources", options.sources},
                       {"all", options.sources.empty()}});
  return ExitCode::ok;
}

}  // namespace

Run add_commit(CLI::App& app) {
  auto options = std::make_shared<CommitOptions>();
  app.add_option("MOUNTPOINT", options->mount_point, "Where the repository is mounted")
      ->type_name("")
      ->required();
  app.add_option("SOURCE", options->sources, "Which sources; without any all that changed")
      ->type_name("");
  return [options](Context& context) { return commit(context, *options); };
}

}  // namespace vgerfs::cli
