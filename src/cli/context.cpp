#include <utility>

#include <fmt/format.h>

#include "backends/open_backend.h"
#include "backends/rest_location.h"
#include "base/error.h"
#include "cli/command.h"
#include "cli/location.h"
#include "cli/repository_access.h"
#include "repo/certificate.h"

namespace vgerfs::cli {
namespace {

/// "configured are: home, offsite", or how to write a path.
std::string repository_hint(const Configuration& configuration) {
  std::vector<std::string> names;
  for (const RepositorySettings& repository : configuration.repositories) {
    names.push_back(repository.label.empty() ? repository.url : repository.label);
  }
  if (names.empty())
    return "a path contains a slash (./name), a label is one of the configuration's, which has "
           "none";
  return fmt::format("the configuration has: {}", fmt::join(names, ", "));
}

RepositoryChoice chosen(const Configuration& known, const RepositorySettings& settings) {
  return {settings.url, settings.label, settings.encryption.value_or(known.encryption),
          settings.remote};
}

}  // namespace

const Configuration& Context::configuration() {
  if (!configuration_) configuration_ = load_configuration(options.config, io);
  return *configuration_;
}

RepositoryChoice Context::repository_choice() {
  const Configuration& known = configuration();
  const auto wanted = options.repository ? options.repository : io.environment("VGERFS_REPOSITORY");
  if (!wanted) {
    if (known.repositories.size() == 1) return chosen(known, known.repositories[0]);
    throw Error{
        ErrorCode::usage, "no repository given",
        "use --repository (-r) PATH or LABEL, or the environment variable VGERFS_REPOSITORY; " +
            repository_hint(known)};
  }
  return repository_choice(*wanted);
}

RepositoryChoice Context::repository_choice(const std::string& wanted) {
  const Configuration& known = configuration();
  if (backends::is_location(wanted) || wanted == "." || wanted == "..") {
    std::string location = absolute_location(wanted, working_directory());
    for (const RepositorySettings& settings : known.repositories) {
      if (settings.url == location) return chosen(known, settings);
    }
    return {std::move(location), {}, known.encryption, {}};
  }
  for (const RepositorySettings& settings : known.repositories) {
    if (settings.label == wanted) return chosen(known, settings);
  }
  throw Error{ErrorCode::usage, fmt::format("no repository is labelled \"{}\"", wanted),
              repository_hint(known)};
}

backends::RemoteOptions Context::remote_options(const RepositoryChoice& choice) const {
  if (!backends::is_rest_location(choice.location)) return {};
  return cli::remote_options(options.remote, choice.remote, io);
}

std::string Context::host() {
  std::string name =
      options.host ? *options.host : configuration().host.value_or(repo::default_host());
  if (!repo::is_valid_name(name)) {
    throw Error{ErrorCode::usage, fmt::format("\"{}\" is not a valid host name", name),
                repo::kNameRule};
  }
  return name;
}

repo::ClientDirectories Context::directories() {
  const Configuration& known = configuration();
  const auto choose = [&](const std::optional<std::string>& option, const char* variable,
                          const std::optional<std::string>& configured) {
    auto chosen = option ? option : io.environment(variable);
    if (!chosen) chosen = configured;
    return chosen ? std::optional{absolute_path(*chosen, working_directory())} : std::nullopt;
  };
  const auto cache = choose(options.cache_dir, "VGERFS_CACHE_DIR", known.cache_dir);
  const auto state = choose(options.state_dir, "VGERFS_STATE_DIR", known.state_dir);
  return repo::default_directories([&](const char* name) -> std::optional<std::string> {
    const std::string_view variable = name;
    if (variable == "VGERFS_CACHE_DIR") return cache;
    if (variable == "VGERFS_STATE_DIR") return state;
    return io.environment(name);
  });
}

std::unique_ptr<repo::Repository> Context::open_repository() {
  return open(repository_choice(), options.secret);
}

std::unique_ptr<repo::Repository> Context::open_other_repository(const std::string& wanted,
                                                                 const SecretOptions& secret) {
  return open(repository_choice(wanted), secret.any() ? secret : options.secret);
}

std::unique_ptr<repo::Repository> Context::open(const RepositoryChoice& choice,
                                                const SecretOptions& secret) {
  std::shared_ptr<backends::Backend> store = open_store(choice.location, remote_options(choice));
  repo::OpenOptions open;
  open.directories = directories();
  open.host = host();
  open.expected = to_cipher(choice.encryption.mode);
  open.accept_rollback = options.accept_rollback;
  open.clock = io.clock;
  const std::string subject = choice.label.empty() ? store->location() : choice.label;
  const repo::Credential credential =
      to_credential(find_secret(secret, choice.encryption, Prompt::once, subject, io));
  auto repository = repo::Repository::open(std::move(store), credential, std::move(open));
  for (const std::string& warning : repository->warnings()) output.warning(warning);
  return repository;
}

std::unique_ptr<repo::Repository> Context::open_readable_repository() {
  auto repository = open_repository();
  if (!repository->can_read()) {
    throw Error{ErrorCode::denied, "this key can add snapshots, but not read them",
                "use a passphrase or key file of role full"};
  }
  return repository;
}

}  // namespace vgerfs::cli
