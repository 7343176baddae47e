// What a request asks for, told from its method and target alone (docs/PROTOCOL.md). Targets are
// matched, never cleaned: whatever is spelled in another way names nothing.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <variant>

#include "format/object_name.h"
#include "server/repository_name.h"

namespace vgerfs::server {

enum class Method { get, head, post, remove, other };

struct HealthRoute {};
/// Below /api/v1/, but health.
struct ApiRoute {
  enum class Call {
    repositories,
    repository,
    changes,
    have,
    verify,
    leases,
    renew,
    release,
    compact,
  };
  Call call = Call::repositories;
  Method method = Method::get;               ///< one that the call knows
  std::optional<RepositoryName> repository;  ///< of all calls but `repositories`
  std::optional<std::uint64_t> since;        ///< changes: after this one
  std::uint64_t wait_s = 0;                  ///< changes: so long at most for one
};
struct MetricsRoute {};
struct CreateRoute {
  RepositoryName repository;
};
struct ListRoute {
  RepositoryName repository;
  format::ObjectType type;
};
struct ReadRoute {
  RepositoryName repository;
  format::ObjectName object;
};
struct AddRoute {
  RepositoryName repository;
  format::ObjectName object;
};
struct RemoveRoute {
  RepositoryName repository;
  format::ObjectName object;
};
/// The target names nothing.
struct UnknownRoute {};
/// The target names something that does not know this method; `allowed` as the header Allow says.
struct WrongMethodRoute {
  std::string_view allowed;
};

using Route = std::variant<HealthRoute, ApiRoute, MetricsRoute, CreateRoute, ListRoute, ReadRoute,
                           AddRoute, RemoveRoute, UnknownRoute, WrongMethodRoute>;

/// Pure. GET and HEAD lead to the same route; whoever answers knows the method.
Route parse_route(Method method, std::string_view target);

}  // namespace vgerfs::server
