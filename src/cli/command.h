// What a command of vgerfs-admin is, and what it is given to work with.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>

#include "cli/configuration.h"
#include "cli/exit_code.h"
#include "cli/io.h"
#include "cli/output.h"
#include "cli/remote_options.h"
#include "cli/secret_source.h"
#include "repo/repository.h"

namespace CLI {
class App;
}

namespace vgerfs::cli {

/// Options that every command takes, before or after its name.
struct GlobalOptions {
  std::optional<std::string> repository;
  std::optional<std::string> config;
  SecretOptions secret;
  RemoteCommandOptions remote;
  std::optional<std::string> cache_dir;
  std::optional<std::string> state_dir;
  std::optional<std::string> host;
  OutputOptions output;
  bool accept_rollback = false;
};

/// A repository as the user chose it.
struct RepositoryChoice {
  std::string location;  ///< an absolute path or a URL
  std::string label;     ///< empty if the configuration has none for it
  EncryptionSettings encryption;
  RemoteSettings remote;
};

/// What a command works with. One per run; one thread.
class Context {
 public:
  Context(Io& surroundings, const GlobalOptions& given, Output& to)
      : io(surroundings), options(given), output(to) {}

  Io& io;
  const GlobalOptions& options;
  Output& output;

  /// Loaded at first use; empty if there is none. Throws Error{usage} if it is wrong.
  const Configuration& configuration();
  /// By --repository, $VGERFS_REPOSITORY, or the only one of the configuration. Throws
  /// Error{usage}.
  RepositoryChoice repository_choice();
  /// By location or label. Throws Error{usage}.
  RepositoryChoice repository_choice(const std::string& wanted);
  /// How the chosen place is reached; nothing if it is on this machine. Throws Error{usage}, and
  /// what reading the token throws.
  backends::RemoteOptions remote_options(const RepositoryChoice& choice) const;
  /// --host, else the configuration's, else this machine's name. Throws Error{usage} if it is not a
  /// valid name.
  std::string host();
  /// By option, environment, configuration, default.
  repo::ClientDirectories directories();
  /// Opens the chosen repository with the secret that is found; prints its warnings.
  std::unique_ptr<repo::Repository> open_repository();
  /// Opens another one beside it; without a secret of its own it is found as for the first.
  std::unique_ptr<repo::Repository> open_other_repository(const std::string& wanted,
                                                          const SecretOptions& secret);
  /// The same with role full. Throws denied for a key that cannot read.
  std::unique_ptr<repo::Repository> open_readable_repository();

 private:
  std::unique_ptr<repo::Repository> open(const RepositoryChoice& choice,
                                         const SecretOptions& secret);

  std::optional<Configuration> configuration_;
};

/// What a command does once its options are parsed. Throws Error.
using Run = std::function<ExitCode(Context&)>;

/// One row of the table in admin.cpp.
struct Command {
  const char* name;
  const char* help;
  /// Declares the command's options; the result owns what they are parsed into. Null for a command
  /// with subcommands.
  Run (*add)(CLI::App&);
  std::span<const Command> subcommands = {};
  bool hidden = false;
};

}  // namespace vgerfs::cli
