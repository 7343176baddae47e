// Bytes of a secret from a descriptor, straight into locked memory.
#pragma once

#include <string_view>

#include "cli/io.h"
#include "crypto/secret.h"

namespace vgerfs::cli {

inline constexpr std::size_t kMaxPassphraseBytes = 4096;

/// Everything up to the end of file. Stops with Error{interrupted} when a stop is asked for, also
/// while it waits. More than `max_bytes` is Error{usage}. `what` names the place.
crypto::Secret read_secret(int fd, std::size_t max_bytes, std::string_view what, const Io& io);

/// One line, without its newline, from a terminal in canonical mode; end of file ends it too.
crypto::Secret read_secret_line(int fd, std::size_t max_bytes, std::string_view what, const Io& io);

/// Drops one newline at the end; throws Error{usage} if nothing is left, a byte is zero, or it is
/// too long.
crypto::Secret checked_passphrase(crypto::Secret secret, std::string_view what);

}  // namespace vgerfs::cli
