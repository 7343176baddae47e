// libsodium, made ready. Internal to this folder.
#pragma once

namespace vgerfs::crypto {

/// Initialises libsodium once per process; to be called before anything of it that draws or locks
/// memory. Thread-safe.
void start_sodium() noexcept;

}  // namespace vgerfs::crypto
