// Bearer tokens: how they look, how a request shows one, how they are compared. Only their SHA-256
// is ever kept; a token of ours has 256 random bits, so a plain hash is enough.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/sha256.h"

namespace vgerfs::server {

/// A new token: "vgt_" and 64 hex digits from the kernel's random numbers.
std::string new_token();

Sha256Digest hash_token(std::string_view token);

/// The token in an Authorization header: "Bearer TOKEN", or the password of "Basic …" (its user
/// name counts for nothing, so that restic and rclone can send one). nullopt if there is none.
std::optional<std::string> presented_token(std::string_view authorization);

/// In time that depends on no byte of either.
bool equal_in_constant_time(const Sha256Digest& one, const Sha256Digest& other) noexcept;

}  // namespace vgerfs::server
