// init: makes a repository with one key slot of role full.
#include <CLI/CLI.hpp>
#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "backends/open_backend.h"
#include "base/error.h"
#include "cli/commands.h"
#include "cli/location.h"
#include "cli/repository_access.h"
#include "repo/config.h"
#include "repo/limits.h"

namespace vgerfs::cli {
namespace {

struct InitCommandOptions {
  std::optional<std::string> encryption;
  std::optional<std::string> new_key_file;
  std::string label = "initial";
};

CipherChoice cipher_choice(const InitCommandOptions& options, const RepositoryChoice& choice) {
  if (!options.encryption) return choice.encryption.mode;
  if (*options.encryption == "aes256gcm") return CipherChoice::aes256gcm;
  if (*options.encryption == "chacha20poly1305") return CipherChoice::chacha20poly1305;
  return CipherChoice::automatic;
}

ExitCode init(Context& context, const InitCommandOptions& options) {
  const RepositoryChoice choice = context.repository_choice();
  const std::string place = backends::redacted_location(choice.location);
  if (options.new_key_file && context.options.secret.any()) {
    throw Error{ErrorCode::usage,
                "--new-key-file makes the repository's secret: give no other one"};
  }
  crypto::Random& random = crypto::system_random();
  // First the secret, then the place: a mistyped passphrase leaves nothing behind. A key file is
  // made only where a repository can be.
  std::optional<repo::Credential> credential;
  if (!options.new_key_file) {
    credential = to_credential(find_secret(context.options.secret, choice.encryption, Prompt::twice,
                                           "the new repository " + place, context.io));
  }
  const auto backend = backends::create_backend(choice.location, context.remote_options(choice));
  if (options.new_key_file) {
    credential = create_key_file(absolute_path(*options.new_key_file, working_directory()), random);
  }
  repo::InitOptions init;
  init.cipher = to_cipher(cipher_choice(options, choice));
  init.label = options.label;
  repo::Repository::init(*backend, *credential, init, random, *context.io.clock);
  const repo::Config config = repo::parse_config(
      backends::read_object(*backend, format::config_name(), repo::kMaxConfigBytes));
  context.output.line(
      fmt::format("repository {} made at {}", config.repository.short_hex(), place));
  context.output.line(
      "without its passphrase or key file nobody, you included, can read it: keep a copy "
      "elsewhere");
  context.output.json({{"id", config.repository.hex()},
                       {"location", place},
                       {"encryption", describe(config.cipher)}});
  return ExitCode::ok;
}

}  // namespace

Run add_init(CLI::App& app) {
  auto options = std::make_shared<InitCommandOptions>();
  app.add_option("--encryption", options->encryption, "auto, aes256gcm or chacha20poly1305")
      ->type_name("MODE")
      ->check(CLI::IsMember({"auto", "aes256gcm", "chacha20poly1305"}));
  app.add_option("--new-key-file", options->new_key_file,
                 "Make a key file and use it instead of a passphrase")
      ->type_name("FILE");
  app.add_option("--label", options->label, "Name of the first key slot")
      ->capture_default_str()
      ->type_name("TEXT");
  return [options](Context& context) { return init(context, *options); };
}

}  // namespace vgerfs::cli
