#include "cli/admin.h"

#include <map>
#include <sstream>
#include <string>
#include <utility>
#include <vector>

#include <CLI/CLI.hpp>
#include <fmt/format.h>

#include "base/error.h"
#include "base/log.h"
#include "cli/commands.h"
#include "cli/suggestion.h"

namespace vgerfs::cli {
namespace {

constexpr char kProgram[] = "vgerfs-admin";

constexpr Command kConfigCommands[] = {
    {"example", "Print a commented example", add_config_example},
    {"check", "Explain every problem of the configuration", add_config_check},
};

constexpr Command kKeyCommands[] = {
    {"list", "List the key slots", add_key_list},
    {"add", "Let another passphrase or key file in", add_key_add},
    {"passphrase", "Change the passphrase in use", add_key_passphrase},
    {"remove", "Remove a key slot", add_key_remove},
    {"revoke", "Have nothing count that an ingest key writes from now on", add_key_revoke},
    {"export", "Write a copy of the key in use into a file", add_key_export},
    {"import", "Put such a copy back", add_key_import},
};

constexpr Command kLockCommands[] = {
    {"list", "List who is at work on a repository", add_lock_list},
    {"break", "Remove the lock of a process that died", add_lock_break},
};

constexpr Command kCommands[] = {
    {"init", "Make a repository", add_init},
    {"backup", "Back up files of this machine into a snapshot", add_backup},
    {"list", "List snapshots", add_list},
    {"ls", "List files in a snapshot", add_ls},
    {"find", "Show in which snapshots and versions files are", add_find},
    {"info", "Show sizes and facts of a repository or a snapshot", add_info},
    {"restore", "Restore files into a directory", add_restore},
    {"diff", "Show what differs between snapshots, or from a directory", add_diff},
    {"dump", "Write a file, or a directory as tar, to standard output", add_dump},
    {"copy", "Copy snapshots into another repository", add_copy},
    {"delete", "Delete snapshots", add_delete},
    {"prune", "Remove the snapshots that no rule keeps", add_prune},
    {"undelete", "Bring removed snapshots back", add_undelete},
    {"hold", "Keep snapshots from being removed", add_hold},
    {"release", "Let held snapshots be removed again", add_release},
    {"tag", "Change the tags of snapshots", add_tag},
    {"compact", "Give back the space of what no snapshot needs", add_compact},
    {"check", "Check that everything is there and intact", add_check},
    {"rebuild-index", "Make lost index records anew from the packs", add_rebuild_index},
    {"repair", "Save what is left of what is damaged, and let backups heal the rest", add_repair},
    {"doctor", "Look at all that has to be right for backups, and advise", add_doctor},
    {"mount", "Mount a repository", add_mount},
    {"umount", "Commit and unmount", add_umount},
    {"commit", "Make snapshots of what was put into a mount", add_commit},
    {"key", "The key slots of a repository", nullptr, kKeyCommands},
    {"lock", "The locks of a repository", nullptr, kLockCommands},
    {"config", "The configuration file", nullptr, kConfigCommands},
    {"version", "Print the version", add_version},
    {"completion", "Print a shell's completion script", add_completion, {}, true},
};

using Runs = std::map<const CLI::App*, Run>;

void declare_globals(CLI::App& app, GlobalOptions& options) {
  app.add_option("-r,--repository", options.repository,
                 "Repository: path, URL, or label of the configuration")
      ->type_name("REPO");
  app.add_option("--config", options.config, "Configuration file")->type_name("FILE");
  app.add_option("--passphrase-file", options.secret.passphrase_file,
                 "File that holds the passphrase")
      ->type_name("FILE");
  app.add_option("--passphrase-command", options.secret.passphrase_command,
                 "Command that prints the passphrase")
      ->type_name("COMMAND");
  app.add_option("--passphrase-fd", options.secret.passphrase_fd,
                 "Open file descriptor to read the passphrase from")
      ->type_name("FD")
      ->check(CLI::Range(0, 1 << 20));
  app.add_option("--key-file", options.secret.key_file, "Key file, instead of a passphrase")
      ->type_name("FILE");
  app.add_option("--rest-token-file", options.remote.token_file,
                 "File that holds the token for the repository's server")
      ->type_name("FILE");
  app.add_option("--ca-file", options.remote.ca_file,
                 "Certificates of the authorities that the server's is checked by")
      ->type_name("FILE");
  app.add_option("--limit-upload", options.remote.limit_upload,
                 "Bytes per second to a server, at most")
      ->type_name("SIZE");
  app.add_option("--limit-download", options.remote.limit_download,
                 "Bytes per second from a server, at most")
      ->type_name("SIZE");
  app.add_option("--cache-dir", options.cache_dir, "Where the cache lies")->type_name("DIR");
  app.add_option("--state-dir", options.state_dir, "Where the client's state lies")
      ->type_name("DIR");
  app.add_option("--host", options.host, "Host name to use instead of this machine's")
      ->type_name("NAME");
  app.add_flag("--json", options.output.json, "Print one JSON document, errors as JSON too");
  auto* quiet =
      app.add_flag("-q,--quiet", options.output.quiet, "Print only results, warnings and errors");
  app.add_flag("-v,--verbose", options.output.verbose, "Print more; twice: even more")
      ->excludes(quiet);
  app.add_flag("--accept-rollback", options.accept_rollback,
               "Go on with a repository that shows less than was seen before");
}

void declare_commands(CLI::App& app, std::span<const Command> table, Runs& runs) {
  app.require_subcommand(1);
  for (const Command& command : table) {
    CLI::App* sub = app.add_subcommand(command.name, command.help);
    // Global options after the command's name.
    sub->fallthrough();
    if (command.hidden) sub->group("");
    if (command.add != nullptr) {
      runs[sub] = command.add(*sub);
    } else {
      declare_commands(*sub, command.subcommands, runs);
    }
  }
}

/// The innermost command that was recognised; `words` becomes its name as the user wrote it:
/// "config check".
const CLI::App& innermost(const CLI::App& app, std::string& words) {
  const CLI::App* current = &app;
  words.clear();
  for (auto parsed = current->get_subcommands(); !parsed.empty();
       parsed = current->get_subcommands()) {
    current = parsed[0];
    if (!words.empty()) words += ' ';
    words += current->get_name();
  }
  return *current;
}

Error usage_error(const CLI::App& app, const CLI::ParseError& error) {
  std::string words;
  const CLI::App& command = innermost(app, words);
  const std::string help =
      fmt::format("see: {} {}{}--help", kProgram, words, words.empty() ? "" : " ");
  if (!words.empty()) words += ": ";
  const std::vector<std::string> unknown = app.remaining(true);
  if (!unknown.empty() && unknown[0].starts_with('-')) {
    std::vector<std::string> owned;
    for (const CLI::App* declaring = &command; declaring != nullptr;
         declaring = declaring->get_parent()) {
      for (const CLI::Option* option : declaring->get_options()) {
        for (const std::string& name : option->get_lnames()) owned.push_back("--" + name);
      }
    }
    const std::string given = unknown[0].substr(0, unknown[0].find('='));
    const std::string near =
        suggestion(given, std::vector<std::string_view>{owned.begin(), owned.end()});
    return {ErrorCode::usage, fmt::format("{}unknown option {}", words, given),
            near.empty() ? help : near};
  }
  if (!unknown.empty() && command.get_require_subcommand_min() > 0) {
    std::vector<std::string_view> names;
    const auto subcommands =
        command.get_subcommands([](const CLI::App* sub) { return !sub->get_group().empty(); });
    for (const CLI::App* sub : subcommands) names.push_back(sub->get_name());
    std::string hint = suggestion(unknown[0], names);
    if (hint.empty()) hint = fmt::format("one of: {}", fmt::join(names, ", "));
    return {ErrorCode::usage, fmt::format("{}unknown command \"{}\"", words, unknown[0]),
            std::move(hint)};
  }
  return {ErrorCode::usage, fmt::format("{}{}", words, error.what()), help};
}

void set_log_level(const OutputOptions& options) {
  log::set_level(options.quiet          ? log::Level::error
                 : options.verbose == 0 ? log::Level::warning
                 : options.verbose == 1 ? log::Level::info
                                        : log::Level::debug);
}

/// --json counts also where the command line could not be parsed.
bool asks_for_json(int argc, const char* const* argv) {
  for (int i = 1; i < argc; ++i) {
    const std::string_view argument = argv[i];
    if (argument == "--") return false;
    if (argument == "--json") return true;
  }
  return false;
}

/// Parses and runs. Help texts are printed here; all that fails is an Error.
ExitCode run(int argc, const char* const* argv, GlobalOptions& options, Output& output, Io& io) {
  CLI::App app{"Backups in a repository that you can mount.", kProgram};
  const auto chosen = declare(app, options);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    std::ostringstream text;
    if (error.get_exit_code() == 0) {
      app.exit(error, text, text);
      print(io.out, text.str());
      return ExitCode::ok;
    }
    if (argc < 2) print(io.err, app.help());
    throw usage_error(app, error);
  }
  output.set_options(options.output);
  set_log_level(options.output);
  Context context{io, options, output};
  const ExitCode code = chosen()(context);
  output.flush();
  return code;
}

}  // namespace

std::span<const Command> commands() { return kCommands; }

std::function<Run()> declare(CLI::App& app, GlobalOptions& options) {
  app.set_version_flag("--version", fmt::format("{} {}", kProgram, VGERFS_VERSION));
  app.footer("Exit codes, environment and examples: man vgerfs-admin");
  declare_globals(app, options);
  auto runs = std::make_shared<Runs>();
  declare_commands(app, kCommands, *runs);
  return [&app, runs] {
    std::string words;
    return runs->at(&innermost(app, words));
  };
}

int run_admin(int argc, const char* const* argv, Io& io) {
  GlobalOptions options;
  Output output{kProgram, {.json = asks_for_json(argc, argv)}, io};
  const auto fail = [&](const Error& error) {
    const ExitCode code = exit_code(error.code());
    try {
      output.flush();
    } catch (const Error&) {
      // Standard output is gone; standard error may still be there.
      log::debug("standard output could not be written");
    }
    try {
      output.error(error, code);
    } catch (const Error&) {
      // Standard error is gone: the exit status is all that is left to say it.
      return static_cast<int>(code);
    }
    return static_cast<int>(code);
  };
  try {
    return static_cast<int>(run(argc, argv, options, output, io));
  } catch (const Error& error) {
    return fail(error);
  } catch (const std::bad_alloc&) {
    return fail(Error{ErrorCode::io, "out of memory"});
  } catch (const std::exception& error) {
    return fail(Error{ErrorCode::io, error.what()});
  }
}

}  // namespace vgerfs::cli
