// mount, umount: the program vgerfs with what vgerfs-admin knows.
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <system_error>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/mount_point.h"
#include "cli/umount_helper.h"

namespace vgerfs::cli {
namespace {

struct MountOptions {
  std::string mount_point;
  std::vector<std::string> options;
  bool foreground = false;
};

struct UmountOptions {
  std::string mount_point;
  bool lazy = false;
  bool force = false;
};

/// "name=value" for -o, where commas, quotes and backslashes have a meaning.
std::string mount_option(std::string_view name, std::string_view value) {
  std::string text = fmt::format("{}=", name);
  for (const char c : value) {
    if (c == ',' || c == '\\' || c == '"') text += '\\';
    text += c;
  }
  return text;
}

/// The command line of vgerfs. Secrets stay where they are: only their places are named.
std::vector<std::string> arguments_of(Context& context, const MountOptions& options) {
  const RepositoryChoice choice = context.repository_choice();
  std::vector<std::string> mount;
  const auto add = [&](std::string_view name, const std::optional<std::string>& value) {
    if (value) mount.push_back(mount_option(name, *value));
  };
  const auto add_path = [&](std::string_view name, const std::optional<std::string>& value) {
    if (value) mount.push_back(mount_option(name, absolute_path(*value, working_directory())));
  };
  const GlobalOptions& global = context.options;
  if (!context.configuration().file.empty()) add("config", context.configuration().file);
  add_path("passphrase-file", global.secret.passphrase_file);
  add("passphrase-command", global.secret.passphrase_command);
  if (global.secret.passphrase_fd)
    add("passphrase-file", fmt::format("/proc/self/fd/{}", *global.secret.passphrase_fd));
  add_path("key-file", global.secret.key_file);
  add_path("rest-token-file", global.remote.token_file);
  add_path("ca-file", global.remote.ca_file);
  add("limit-upload", global.remote.limit_upload);
  add("limit-download", global.remote.limit_download);
  add_path("cache-dir", global.cache_dir);
  add_path("state-dir", global.state_dir);
  add("host", global.host);
  if (global.accept_rollback) mount.emplace_back("accept-rollback");
  mount.insert(mount.end(), options.options.begin(), options.options.end());

  std::vector<std::string> arguments{
      "vgerfs", choice.label.empty() ? choice.location : choice.label, options.mount_point};
  if (options.foreground) arguments.emplace_back("-f");
  if (global.output.verbose > 0) arguments.emplace_back("-v");
  if (!mount.empty()) {
    arguments.emplace_back("-o");
    arguments.push_back(fmt::format("{}", fmt::join(mount, ",")));
  }
  return arguments;
}

/// The vgerfs that was installed beside this program, else the one on PATH.
std::string mount_program() {
  std::error_code failure;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", failure);
  const std::filesystem::path beside = self.parent_path() / "vgerfs";
  return !failure && ::access(beside.c_str(), X_OK) == 0 ? beside.string() : "vgerfs";
}

ExitCode mount(Context& context, const MountOptions& options) {
  if (context.options.output.json) {
    throw Error{ErrorCode::usage, "mount runs vgerfs: there is no --json for it"};
  }
  const std::vector<std::string> arguments = arguments_of(context, options);
  const std::string program = mount_program();
  std::vector<char*> argv;
  for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
  argv.push_back(nullptr);
  context.output.flush();
  ::execvp(program.c_str(), argv.data());
  throw system_error(errno, program);
}

ExitCode umount(Context& context, const UmountOptions& options) {
  std::vector<const char*> arguments{options.mount_point.c_str()};
  if (options.lazy) arguments.push_back("-l");
  if (options.force) arguments.push_back("-f");
  const std::string mount_point = absolute_path(options.mount_point, working_directory());
  check_mounted(mount_point);
  run_umount(arguments, context.io);
  context.output.line(fmt::format("{} unmounted", printable(options.mount_point)));
  context.output.json({{"mount_point", mount_point}});
  return ExitCode::ok;
}

}  // namespace

Run add_mount(CLI::App& app) {
  auto options = std::make_shared<MountOptions>();
  app.add_option("MOUNTPOINT", options->mount_point, "An empty directory")
      ->type_name("")
      ->required();
  app.add_option("-o", options->options, "Mount options, see vgerfs(8); may be repeated")
      ->type_name("OPTION[,OPTION...]")
      ->allow_extra_args(false);
  app.add_flag("-f,--foreground", options->foreground, "Serve in the foreground, until a signal");
  return [options](Context& context) { return mount(context, *options); };
}

Run add_umount(CLI::App& app) {
  auto options = std::make_shared<UmountOptions>();
  app.add_option("MOUNTPOINT", options->mount_point, "Where a repository is mounted")
      ->type_name("")
      ->required();
  app.add_flag("-l,--lazy", options->lazy, "Detach even if the commit fails or files are open");
  app.add_flag("-f,--force", options->force, "Do not commit; for a store that does not answer");
  return [options](Context& context) { return umount(context, *options); };
}

}  // namespace vgerfs::cli
