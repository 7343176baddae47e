// From what the user said to an open repository.
#pragma once

#include <memory>
#include <optional>

#include "backends/remote_options.h"
#include "cli/configuration.h"
#include "cli/secret_source.h"
#include "repo/key_slot.h"
#include "repo/repository.h"

namespace vgerfs::cli {

/// Throws Error if a key file's text is not one.
repo::Credential to_credential(FoundSecret found);

/// nullopt for `auto`: whatever the repository says, or this CPU does fastest.
std::optional<crypto::Cipher> to_cipher(CipherChoice choice) noexcept;
/// "AES-256-GCM", "ChaCha20-Poly1305", or "auto".
std::string describe(std::optional<crypto::Cipher> cipher);

/// Opens a repository's place and makes sure that there is one, before anybody is asked for a
/// passphrase. Throws no_repository.
std::shared_ptr<backends::Backend> open_store(const std::string& location,
                                              backends::RemoteOptions options);

/// A new file, mode 0600, durably. Throws exists if there is one.
void create_private_file(const std::string& path, ByteView content);

/// Makes a new key file, mode 0600, durably. Throws exists if there is a file.
repo::Credential create_key_file(const std::string& path, crypto::Random& random);

}  // namespace vgerfs::cli
