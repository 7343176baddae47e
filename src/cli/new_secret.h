// The secret of a key that is being made or changed: a passphrase that is new.
#pragma once

#include <string>

#include "cli/command.h"
#include "repo/key_slot.h"

namespace vgerfs::cli {

/// --new-passphrase-file, --new-passphrase-command, --new-passphrase-fd. `into` outlives `app`.
void declare_new_passphrase(CLI::App& app, SecretOptions& into);

/// From where they say, else asked for, twice. Throws as find_secret. `subject` completes
/// "passphrase for …".
repo::Credential new_credential(const Context& context, const SecretOptions& options,
                                const std::string& subject);

}  // namespace vgerfs::cli
