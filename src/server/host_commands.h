// What an admin does on the server's host: tokens, trash, rescan. Each works on the data directory
// and the database, beside a running server, which notices within a second.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/clock.h"
#include "server/server_config.h"

namespace vgerfs::server {

struct NewToken {
  std::string name;
  std::string repositories;  ///< a name, "team/*" or "*"
  std::string role = "append";
  std::string expires;  ///< "90d", "12h", a time, or empty: never
  std::uint64_t quota_bytes = 0;
};

/// Which part of the trash: all, or of one repository, or one number.
struct TrashChoice {
  std::string repository;
  std::optional<std::int64_t> id;
};

/// Each prints to stdout and throws Error.
void create_token(const ServerConfig& config, const NewToken& wanted, const Clock& clock);
void list_tokens(const ServerConfig& config, bool as_json, const Clock& clock);
void revoke_token_by_name(const ServerConfig& config, const std::string& name, const Clock& clock);
void list_trash(const ServerConfig& config, const TrashChoice& choice, bool as_json);
void restore_trash(const ServerConfig& config, const TrashChoice& choice, const Clock& clock);
void empty_trash(const ServerConfig& config, const TrashChoice& choice);
void rescan(const ServerConfig& config, const std::string& repository, const Clock& clock);

/// Seconds since the epoch at which "90d", "12h", "30m" or a time is over; throws usage.
std::int64_t parse_expiry(const std::string& text, std::int64_t now);

}  // namespace vgerfs::server
