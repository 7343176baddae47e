#include "server/policy.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;

constexpr std::string_view kOutside = "this token does not reach that repository";
constexpr std::string_view kReadOnly = "this token may only read";
constexpr std::string_view kAppendOnly = "the server is append-only";
constexpr std::string_view kMayNotRemove = "this token may not remove objects";

std::optional<std::string_view> refusal_to_remove(const Principal& principal, const Deed& deed,
                                                  bool append_only) {
  if (deed.type == ObjectType::lock && deed.is_own) return std::nullopt;
  if (append_only) return kAppendOnly;
  if (principal.role < Role::maintain) return kMayNotRemove;
  if (deed.type == ObjectType::config && principal.role < Role::admin) {
    return "only an admin may remove a repository's config";
  }
  return std::nullopt;
}

}  // namespace

std::string_view to_string(Role role) noexcept {
  switch (role) {
    case Role::read: return "read";
    case Role::append: return "append";
    case Role::maintain: return "maintain";
    case Role::admin: return "admin";
  }
  return "read";
}

std::optional<Role> parse_role(std::string_view text) noexcept {
  for (const Role role : {Role::read, Role::append, Role::maintain, Role::admin}) {
    if (to_string(role) == text) return role;
  }
  return std::nullopt;
}

std::optional<std::string_view> refusal(const Principal& principal,
                                        const RepositoryName& repository, const Deed& deed,
                                        bool append_only) {
  if (!principal.repositories.covers(repository)) return kOutside;
  if (deed.verb == Verb::read) return std::nullopt;
  if (principal.role == Role::read) return kReadOnly;
  switch (deed.verb) {
    case Verb::read:
    case Verb::add: return std::nullopt;
    case Verb::create:
      // A quota holds for each repository: whoever could make any number of them had none.
      if (principal.role == Role::append && !principal.repositories.is_name()) {
        return "this token may create only a repository that it names";
      }
      return std::nullopt;
    case Verb::verify:
      if (principal.role < Role::maintain) return "this token may not have everything read again";
      return std::nullopt;
    case Verb::remove: return refusal_to_remove(principal, deed, append_only);
    case Verb::compact:
      // It only adds, but a small request fills a disk as fast as the disk is: not with the token
      // of a client that somebody may have taken over.
      if (principal.role < Role::maintain) return "this token may not compact";
      return std::nullopt;
  }
  return kOutside;
}

}  // namespace vgerfs::server
