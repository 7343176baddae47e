#include "cli/new_secret.h"

#include <CLI/CLI.hpp>

#include "cli/repository_access.h"

namespace vgerfs::cli {

void declare_new_passphrase(CLI::App& app, SecretOptions& into) {
  app.add_option("--new-passphrase-file", into.passphrase_file,
                 "File that holds the new passphrase")
      ->type_name("FILE");
  app.add_option("--new-passphrase-command", into.passphrase_command,
                 "Command that prints the new passphrase")
      ->type_name("COMMAND");
  app.add_option("--new-passphrase-fd", into.passphrase_fd,
                 "Open file descriptor to read the new passphrase from")
      ->type_name("FD")
      ->check(CLI::Range(0, 1 << 20));
}

repo::Credential new_credential(const Context& context, const SecretOptions& options,
                                const std::string& subject) {
  return to_credential(options.any() ? find_secret(options, {}, Prompt::never, subject, context.io)
                                     : prompt_passphrase(subject, Prompt::twice, context.io));
}

}  // namespace vgerfs::cli
