#include "server/route.h"

#include <optional>
#include <utility>

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

/// The path behind a repository's name: "", "config", "data/", "data/<id>".
struct Place {
  std::optional<ObjectType> listed;
  std::optional<ObjectName> object;
  bool is_root = false;
};

std::optional<Place> parse_place(std::string_view rest) {
  if (rest.empty()) return Place{.is_root = true};
  if (rest == format::directory_name(ObjectType::config)) {
    return Place{.object = format::config_name()};
  }
  for (const ObjectType type : format::kListedTypes) {
    const std::string_view directory = format::directory_name(type);
    if (rest.substr(0, directory.size()) != directory) continue;
    const std::string_view below = rest.substr(directory.size());
    if (below == "/") return Place{.listed = type};
    if (below.empty() || below.front() != '/') return std::nullopt;
    const auto id = ObjectId::parse(below.substr(1));
    return id ? std::optional{Place{.object = ObjectName{type, *id}}} : std::nullopt;
  }
  return std::nullopt;
}

/// Where the name ends: before the first segment that no name may have, at the latest after two.
std::size_t end_of_name(std::string_view path) {
  std::size_t end = 0;
  for (int segments = 0; segments < 2; ++segments) {
    const std::size_t slash = path.find('/', end);
    if (slash == std::string_view::npos || !is_repository_segment(path.substr(end, slash - end))) {
      break;
    }
    end = slash + 1;
  }
  return end;
}

Route route_of_object(Method method, RepositoryName repository, const ObjectName& object) {
  switch (method) {
    case Method::get:
    case Method::head: return ReadRoute{std::move(repository), object};
    case Method::post: return AddRoute{std::move(repository), object};
    case Method::remove: return RemoveRoute{std::move(repository), object};
    case Method::other: break;
  }
  return WrongMethodRoute{"GET, HEAD, POST, DELETE"};
}

template <class Wanted>
Route readable(Method method) {
  if (method == Method::get || method == Method::head) return Wanted{};
  return WrongMethodRoute{"GET, HEAD"};
}

}  // namespace

Route parse_route(Method method, std::string_view target) {
  if (target == "/health" || target == "/api/v1/health") return readable<HealthRoute>(method);
  if (target == "/metrics") return readable<MetricsRoute>(method);
  if (target.empty() || target.front() != '/') return UnknownRoute{};
  std::string_view path = target.substr(1);
  // The only query there is.
  constexpr std::string_view kCreate = "?create=true";
  const bool is_creation =
      path.size() > kCreate.size() && path.substr(path.size() - kCreate.size()) == kCreate;
  if (is_creation) path.remove_suffix(kCreate.size());

  const std::size_t end = end_of_name(path);
  if (end == 0) return UnknownRoute{};
  auto repository = RepositoryName::parse(path.substr(0, end - 1));
  const auto place = parse_place(path.substr(end));
  if (!repository || !place) return UnknownRoute{};
  if (is_creation) {
    if (!place->is_root) return UnknownRoute{};
    if (method == Method::post) return CreateRoute{std::move(*repository)};
    return WrongMethodRoute{"POST"};
  }
  if (place->is_root) return WrongMethodRoute{"POST"};
  if (place->object) return route_of_object(method, std::move(*repository), *place->object);
  if (method == Method::get) return ListRoute{std::move(*repository), *place->listed};
  return WrongMethodRoute{"GET"};
}

}  // namespace vgerfs::server
