// Who may do what: the one place that decides. Pure, so that every combination can be tested.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "format/object_name.h"
#include "server/repository_name.h"

namespace vgerfs::server {

/// Each may do all that the one before it may.
enum class Role {
  read,      ///< reads and lists
  append,    ///< adds objects; removes locks that it made itself
  maintain,  ///< removes objects (into the trash), foreign locks too
  admin,     ///< removes the config, sees the metrics
};

std::string_view to_string(Role role) noexcept;
std::optional<Role> parse_role(std::string_view text) noexcept;

/// Whoever sent a request: a token, the configuration's token, or anybody where no token is asked
/// for. A plain value; holds no secret.
struct Principal {
  std::int64_t id = 0;  ///< row of the token; 0: not from the database
  std::string name;     ///< for logs
  Role role = Role::read;
  RepositoryPattern repositories = RepositoryPattern::all();
  std::uint64_t quota_bytes = 0;  ///< of what this token has stored; 0: unlimited
};

enum class Verb { read, create, add, remove, verify, compact };

/// A deed: what would be done to an object of which type.
struct Deed {
  Verb verb = Verb::read;
  format::ObjectType type = format::ObjectType::config;  ///< create: not looked at
  bool is_own = false;                                   ///< remove: this principal has added it
};

/// Why not, for the reply and the audit log; nullopt if it may. `append_only` is the server's mode:
/// nobody removes anything but locks of his own, whatever the role. That nothing is ever
/// overwritten is no matter of policy: there is no such operation.
std::optional<std::string_view> refusal(const Principal& principal,
                                        const RepositoryName& repository, const Deed& deed,
                                        bool append_only);

}  // namespace vgerfs::server
