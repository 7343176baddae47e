#include "server/route.h"

#include <charconv>
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

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return number;
}

/// "since=N", "wait=S", or both in this order.
bool parse_changes_query(std::string_view query, ApiRoute& route) {
  constexpr std::string_view kSince = "since=";
  constexpr std::string_view kWait = "wait=";
  while (!query.empty()) {
    const std::size_t end = query.find('&');
    const std::string_view field = query.substr(0, end);
    query.remove_prefix(end == std::string_view::npos ? query.size() : end + 1);
    if (end != std::string_view::npos && query.empty()) return false;
    if (field.substr(0, kSince.size()) == kSince && !route.since) {
      route.since = parse_number(field.substr(kSince.size()));
      if (!route.since) return false;
    } else if (field.substr(0, kWait.size()) == kWait && route.wait_s == 0) {
      const auto seconds = parse_number(field.substr(kWait.size()));
      if (!seconds || !route.since) return false;
      route.wait_s = *seconds;
    } else {
      return false;
    }
  }
  return true;
}

struct ApiWord {
  std::string_view word;
  ApiRoute::Call call;
  bool reads;
  bool posts;
};

constexpr ApiWord kApiWords[] = {
    {"repositories", ApiRoute::Call::repository, true, false},
    {"changes", ApiRoute::Call::changes, true, false},
    {"have", ApiRoute::Call::have, false, true},
    {"verify", ApiRoute::Call::verify, true, true},
    {"compact", ApiRoute::Call::compact, false, true},
    {"leases", ApiRoute::Call::leases, true, true},
    {"renew", ApiRoute::Call::renew, false, true},
    {"release", ApiRoute::Call::release, false, true},
};

/// What follows /api/v1/: a word, then a repository's name, which may be of two segments.
Route parse_api_route(Method method, std::string_view path) {
  if (path == "health") return readable<HealthRoute>(method);
  ApiRoute route{.method = method};
  const auto checked = [&](const ApiWord& word) -> Route {
    const bool reads = method == Method::get || method == Method::head;
    if ((reads && word.reads) || (method == Method::post && word.posts)) return route;
    if (!word.posts) return WrongMethodRoute{"GET, HEAD"};
    return WrongMethodRoute{word.reads ? "GET, HEAD, POST" : "POST"};
  };
  if (path == "repositories") return checked(kApiWords[0]);
  for (const ApiWord& word : kApiWords) {
    if (path.substr(0, word.word.size()) != word.word) continue;
    std::string_view rest = path.substr(word.word.size());
    if (rest.empty() || rest.front() != '/') continue;
    rest.remove_prefix(1);
    const std::size_t question = rest.find('?');
    route.call = word.call;
    route.repository = RepositoryName::parse(rest.substr(0, question));
    if (!route.repository) return UnknownRoute{};
    if (question != std::string_view::npos) {
      const std::string_view query = rest.substr(question + 1);
      if (word.call != ApiRoute::Call::changes || query.empty()) return UnknownRoute{};
      if (!parse_changes_query(query, route)) return UnknownRoute{};
    }
    return checked(word);
  }
  return UnknownRoute{};
}

}  // namespace

Route parse_route(Method method, std::string_view target) {
  constexpr std::string_view kApi = "/api/v1/";
  if (target.substr(0, kApi.size()) == kApi) {
    return parse_api_route(method, target.substr(kApi.size()));
  }
  if (target == "/health") return readable<HealthRoute>(method);
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
