#include "server/command_line.h"

#include <stdlib.h>  // NOLINT(modernize-deprecated-headers): getenv

#include <algorithm>
#include <cstdio>
#include <exception>
#include <map>
#include <string>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/clock.h"
#include "base/error.h"
#include "server/host_commands.h"
#include "server/server.h"
#include "server/server_config.h"

namespace vgerfs::server {
namespace {

enum class ExitStatus { ok = 0, failed = 1, usage = 2 };

std::optional<std::string> environment(const std::string& name) {
  const char* const value = ::getenv(name.c_str());
  return value == nullptr ? std::nullopt : std::optional<std::string>{value};
}

/// What the command line says; callbacks only note which command it is.
struct CommandLine {
  std::string config_file;
  std::map<std::string, std::string> values;
  bool check_config = false;
  bool as_json = false;
  NewToken token;
  TrashChoice trash;
  std::string repository;
};

std::string flag_name(std::string_view key) {
  std::string name = fmt::format("--{}", key);
  std::replace(name.begin(), name.end(), '_', '-');
  return name;
}

void add_settings(CLI::App& app, CommandLine& line) {
  for (const Setting& setting : settings()) {
    if (setting.key == "token") continue;  // a secret has no place on a command line
    const std::string key{setting.key};
    const bool is_flag = setting.kind == Setting::Kind::boolean;
    auto* const option = app.add_option_function<std::string>(
        flag_name(key),
        [&line, key, is_flag](const std::string& value) {
          line.values[key] = is_flag && value.empty() ? "true" : value;
        },
        fmt::format("Overrides {} of the configuration", key));
    if (is_flag) option->expected(0, 1);
  }
}

/// The chosen command; serving if there is none.
using Command = std::function<int(const ConfigSources&)>;

Command command_of(const CLI::App& app, const CommandLine& line) {
  const auto on_host = [](auto action) -> Command {
    return [action](const ConfigSources& sources) {
      action(load_server_config(sources));
      return 0;
    };
  };
  const Clock& clock = system_clock();
  if (line.check_config) {
    return on_host([](const ServerConfig&) { std::puts("the configuration is valid"); });
  }
  if (const auto* const token = app.get_subcommand("token"); token->parsed()) {
    if (token->got_subcommand("create")) {
      return on_host([&](const ServerConfig& config) { create_token(config, line.token, clock); });
    }
    if (token->got_subcommand("revoke")) {
      return on_host([&](const ServerConfig& config) {
        revoke_token_by_name(config, line.token.name, clock);
      });
    }
    return on_host([&](const ServerConfig& config) { list_tokens(config, line.as_json, clock); });
  }
  if (const auto* const trash = app.get_subcommand("trash"); trash->parsed()) {
    if (trash->got_subcommand("restore")) {
      return on_host([&](const ServerConfig& config) { restore_trash(config, line.trash, clock); });
    }
    if (trash->got_subcommand("empty")) {
      return on_host([&](const ServerConfig& config) { empty_trash(config, line.trash); });
    }
    return on_host(
        [&](const ServerConfig& config) { list_trash(config, line.trash, line.as_json); });
  }
  if (app.got_subcommand("rescan")) {
    return on_host([&](const ServerConfig& config) { rescan(config, line.repository, clock); });
  }
  return [](const ConfigSources& sources) { return run_server(sources); };
}

void add_commands(CLI::App& app, CommandLine& line) {
  auto* const token = app.add_subcommand("token", "Tokens that clients show");
  token->require_subcommand(1);
  auto* const create = token->add_subcommand("create", "Make a token and print it, this once");
  create->add_option("name", line.token.name, "What logs call it")->required();
  create->add_option("--repo", line.token.repositories, "NAME, TEAM/* or *")->required();
  create->add_option("--role", line.token.role, "read, append (default), maintain or admin");
  create->add_option("--expires", line.token.expires, "90d, 12h or 2027-01-31T00:00:00Z");
  create->add_option("--quota", line.token.quota_bytes, "Bytes that it may have stored at a time");
  auto* const revoke = token->add_subcommand("revoke", "Refuse a token from now on");
  revoke->add_option("name", line.token.name)->required();
  auto* const list = token->add_subcommand("list", "All tokens that were ever made");
  list->add_flag("--json", line.as_json);

  auto* const trash = app.add_subcommand("trash", "Objects that were removed");
  trash->require_subcommand(1);
  auto* const list_trash = trash->add_subcommand("list", "What is in it");
  list_trash->add_flag("--json", line.as_json);
  auto* const restore = trash->add_subcommand("restore", "Put objects back");
  auto* const empty = trash->add_subcommand("empty", "Delete objects for good");
  for (CLI::App* const each : {list_trash, restore, empty}) {
    auto* const repository =
        each->add_option("--repo", line.trash.repository, "Those of this repository");
    each->add_option("--id", line.trash.id, "This one")->excludes(repository);
  }

  auto* const rescan =
      app.add_subcommand("rescan", "Take in what lies in a repository's directory");
  rescan->add_option("repository", line.repository)->required();
}

int fail(const Error& error) {
  std::fprintf(stderr, "vgerfs-server: %s\n", error.what());
  if (!error.hint().empty()) std::fprintf(stderr, "  %s\n", error.hint().c_str());
  return static_cast<int>(error.code() == ErrorCode::usage ? ExitStatus::usage
                                                           : ExitStatus::failed);
}

}  // namespace

int run_command_line(int argc, char** argv) {
  CommandLine line;
  CLI::App app{"Keeps encrypted repositories for clients. Without a command it serves.",
               "vgerfs-server"};
  app.set_version_flag("--version", "vgerfs-server " VGERFS_VERSION);
  app.add_option("--config", line.config_file, "Configuration (TOML)");
  app.add_flag("--check-config", line.check_config, "Check the configuration, and nothing else");
  app.require_subcommand(0, 1);
  try {
    add_settings(app, line);
    add_commands(app, line);
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    return app.exit(error) == 0 ? 0 : static_cast<int>(ExitStatus::usage);
  }
  try {
    if (line.config_file.empty()) {
      line.config_file = environment("VGERFS_SERVER_CONFIG").value_or("");
    }
    return command_of(
        app, line)({.file = line.config_file, .environment = environment, .flags = line.values});
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "vgerfs-server: %s\n", error.what());
    return static_cast<int>(ExitStatus::failed);
  }
}

}  // namespace vgerfs::server
