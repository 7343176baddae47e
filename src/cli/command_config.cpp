// config example, config check
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>

#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "base/error.h"
#include "cli/commands.h"
#include "cli/configuration_example.h"
#include "cli/location.h"

namespace vgerfs::cli {
namespace {

struct CheckOptions {
  std::optional<std::string> file;
};

ExitCode print_example(Context& context) {
  context.output.result(kConfigurationExample);
  context.output.json({{"example", kConfigurationExample}});
  return ExitCode::ok;
}

void check_secret_file(std::vector<std::string>& warnings, const std::optional<std::string>& path) {
  struct stat status {};
  if (!path) return;
  if (::stat(path->c_str(), &status) != 0) {
    warnings.push_back(fmt::format("{}: {}", *path, std::strerror(errno)));
  } else if (S_ISREG(status.st_mode) && (status.st_mode & (S_IROTH | S_IWOTH)) != 0) {
    warnings.push_back(
        fmt::format("{}: every user of this machine can read or change this secret", *path));
  }
}

/// What is well written but will not work here and now.
std::vector<std::string> warnings_of(const Configuration& configuration) {
  std::vector<std::string> warnings;
  const auto check_encryption = [&](const EncryptionSettings& settings) {
    check_secret_file(warnings, settings.passphrase_file);
    check_secret_file(warnings, settings.key_file);
  };
  check_encryption(configuration.encryption);
  for (const RepositorySettings& repository : configuration.repositories) {
    if (repository.encryption) check_encryption(*repository.encryption);
    check_secret_file(warnings, repository.remote.token_file);
    check_secret_file(warnings, repository.remote.client_key);
    if (repository.remote.token) check_secret_file(warnings, configuration.file);
  }
  for (const SourceSettings& source : configuration.sources) {
    for (const std::string& path : source.paths) {
      if (::access(path.c_str(), F_OK) != 0) {
        warnings.push_back(
            fmt::format("source {}: {}: {}", source.label, path, std::strerror(errno)));
      }
    }
  }
  return warnings;
}

ExitCode check_configuration(Context& context, const CheckOptions& options) {
  const auto place =
      find_configuration(options.file ? options.file : context.options.config, context.io);
  if (!place) {
    throw Error{ErrorCode::usage, "there is no configuration file",
                "write one with: vgerfs-admin config example > ~/.config/vgerfs/config.yaml"};
  }
  const ParsedConfiguration parsed =
      parse_configuration(read_configuration(*place, context.io), place->file, context.io);
  const std::vector<std::string> warnings = warnings_of(parsed.configuration);
  Json problems = Json::array();
  for (const ConfigurationProblem& problem : parsed.problems) {
    problems.push_back({{"line", problem.line},
                        {"column", problem.column},
                        {"message", problem.message},
                        {"hint", problem.hint}});
  }
  context.output.json({{"file", place->file},
                       {"ok", problems.empty()},
                       {"problems", problems},
                       {"warnings", warnings}});
  for (const ConfigurationProblem& problem : parsed.problems) {
    std::string text = fmt::format("{}\n", printable(describe(problem, place->file)));
    if (!problem.hint.empty()) text += fmt::format("  hint: {}\n", printable(problem.hint));
    context.output.result(text);
  }
  for (const std::string& warning : warnings)
    context.output.result(fmt::format("warning: {}\n", printable(warning)));
  if (!parsed.problems.empty()) return ExitCode::usage;
  context.output.line(fmt::format("{}: ok", place->file));
  return ExitCode::ok;
}

}  // namespace

Run add_config_example(CLI::App&) { return print_example; }

Run add_config_check(CLI::App& app) {
  auto options = std::make_shared<CheckOptions>();
  app.add_option("FILE", options->file, "The file to check instead of the one that counts")
      ->type_name("");
  return [options](Context& context) { return check_configuration(context, *options); };
}

}  // namespace vgerfs::cli
