// Where the passphrase or key file comes from. A secret is never an argument, never in a message,
// and asking for one never hangs: without a terminal it is an error that says what to do.
#pragma once

#include <optional>
#include <string>

#include "cli/configuration.h"
#include "cli/io.h"
#include "crypto/secret.h"

namespace vgerfs::cli {

/// What the command line says; at most one is set.
struct SecretOptions {
  std::optional<std::string> passphrase_file;
  std::optional<std::string> passphrase_command;
  std::optional<int> passphrase_fd;
  std::optional<std::string> key_file;

  bool any() const { return passphrase_file || passphrase_command || passphrase_fd || key_file; }
};

struct FoundSecret {
  enum class Kind { passphrase, key_file };
  Kind kind = Kind::passphrase;
  crypto::Secret secret;  ///< the passphrase's bytes, or the whole text of the key file
  std::string origin;     ///< for messages: "/etc/vgerfs/pass", "the environment variable
                          ///< VGERFS_PASSPHRASE", …
};

enum class Prompt { never, once, twice };

/// The first of: option, environment (VGERFS_PASSPHRASE, _FILE, _COMMAND, VGERFS_KEY_FILE),
/// configuration, systemd credential (vgerfs-passphrase, vgerfs.passphrase, vgerfs-key, vgerfs.key
/// in $CREDENTIALS_DIRECTORY), and a prompt if `in` is a terminal (`twice`: with repetition, for a
/// new one). Throws Error{usage} if there is none or one place names several, and what reading it
/// throws. `subject` completes "passphrase for …".
FoundSecret find_secret(const SecretOptions& options, const EncryptionSettings& settings,
                        Prompt prompt, const std::string& subject, const Io& io);

/// The first bytes of a passphrase: one newline at the end is dropped; an empty one, one with a
/// zero byte and one of more than 4096 bytes is Error{usage}. Warns if others may read the file.
FoundSecret read_passphrase_file(const std::string& path, const Io& io);
FoundSecret read_key_file(const std::string& path, const Io& io);
FoundSecret read_passphrase_fd(int fd, const Io& io);
/// Runs `/bin/sh -c command`; its standard output is the passphrase. Stops it when a stop is asked
/// for.
FoundSecret run_passphrase_command(const std::string& command, const Io& io);
/// Asks on the terminal, without echo. Throws Error{usage} if `in` is none.
FoundSecret prompt_passphrase(const std::string& subject, Prompt prompt, const Io& io);

}  // namespace vgerfs::cli
