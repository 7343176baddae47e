#include "server/route.h"

#include <string>

#include <gtest/gtest.h>

namespace vgerfs::server {
namespace {

using format::ObjectType;

const std::string kId(64, 'a');

template <class Wanted>
bool is(const Route& route) {
  return std::holds_alternative<Wanted>(route);
}

TEST(Route, ReadsEveryPlaceOfTheProtocol) {
  const auto read = parse_route(Method::get, "/repo/data/" + kId);
  ASSERT_TRUE(is<ReadRoute>(read));
  EXPECT_EQ(std::get<ReadRoute>(read).repository.text(), "repo");
  EXPECT_EQ(std::get<ReadRoute>(read).object.type, ObjectType::pack);
  EXPECT_EQ(std::get<ReadRoute>(read).object.id.hex(), kId);
  EXPECT_TRUE(is<ReadRoute>(parse_route(Method::head, "/repo/config")));
  EXPECT_TRUE(is<AddRoute>(parse_route(Method::post, "/team/repo/locks/" + kId)));
  EXPECT_TRUE(is<RemoveRoute>(parse_route(Method::remove, "/repo/snapshots/" + kId)));
  EXPECT_TRUE(is<ListRoute>(parse_route(Method::get, "/team/repo/index/")));
  EXPECT_TRUE(is<CreateRoute>(parse_route(Method::post, "/team/repo/?create=true")));
  EXPECT_TRUE(is<HealthRoute>(parse_route(Method::get, "/health")));
  EXPECT_TRUE(is<HealthRoute>(parse_route(Method::head, "/api/v1/health")));
  EXPECT_TRUE(is<MetricsRoute>(parse_route(Method::get, "/metrics")));
}

TEST(Route, ReadsTheApi) {
  using Call = ApiRoute::Call;
  EXPECT_EQ(std::get<ApiRoute>(parse_route(Method::get, "/api/v1/repositories")).call,
            Call::repositories);
  const auto one = std::get<ApiRoute>(parse_route(Method::get, "/api/v1/repositories/team/repo"));
  EXPECT_EQ(one.call, Call::repository);
  EXPECT_EQ(one.repository->text(), "team/repo");
  // A name may be one of the calls.
  EXPECT_EQ(std::get<ApiRoute>(parse_route(Method::get, "/api/v1/changes/have/changes"))
                .repository->text(),
            "have/changes");
  const auto changes =
      std::get<ApiRoute>(parse_route(Method::get, "/api/v1/changes/repo?since=7&wait=30"));
  EXPECT_EQ(changes.call, Call::changes);
  EXPECT_EQ(changes.since, 7U);
  EXPECT_EQ(changes.wait_s, 30U);
  EXPECT_FALSE(std::get<ApiRoute>(parse_route(Method::get, "/api/v1/changes/repo")).since);
  EXPECT_TRUE(is<ApiRoute>(parse_route(Method::post, "/api/v1/have/repo")));
  EXPECT_TRUE(is<WrongMethodRoute>(parse_route(Method::get, "/api/v1/have/repo")));
  EXPECT_EQ(std::get<ApiRoute>(parse_route(Method::post, "/api/v1/compact/team/repo")).call,
            ApiRoute::Call::compact);
  EXPECT_TRUE(is<WrongMethodRoute>(parse_route(Method::get, "/api/v1/compact/repo")));
  EXPECT_TRUE(is<UnknownRoute>(parse_route(Method::post, "/api/v1/compact")));
  EXPECT_TRUE(is<UnknownRoute>(parse_route(Method::post, "/api/v1/compact/repo?since=1")));
  EXPECT_TRUE(is<WrongMethodRoute>(parse_route(Method::post, "/api/v1/changes/repo")));
  EXPECT_TRUE(is<WrongMethodRoute>(parse_route(Method::remove, "/api/v1/repositories")));
  for (const std::string target : {"/api/v1/",
                                   "/api/v1/nothing",
                                   "/api/v1/nothing/repo",
                                   "/api/v1/changes",
                                   "/api/v1/changes/",
                                   "/api/v1/changes/../repo",
                                   "/api/v1/changes/repo/",
                                   "/api/v1/changes/repo?",
                                   "/api/v1/changes/repo?since=",
                                   "/api/v1/changes/repo?since=-1",
                                   "/api/v1/changes/repo?since=1x",
                                   "/api/v1/changes/repo?since=1&",
                                   "/api/v1/changes/repo?since=1&since=2",
                                   "/api/v1/changes/repo?wait=1",
                                   "/api/v1/changes/repo?since=99999999999999999999",
                                   "/api/v1/changes/repo?since=1&x=2",
                                   "/api/v1/have/repo?since=1",
                                   "/api/v1/repositories?since=1",
                                   "/api/v1/changesx/repo",
                                   "/api/v2/repositories"}) {
    EXPECT_TRUE(is<UnknownRoute>(parse_route(Method::get, target))) << target;
  }
}

TEST(Route, MatchesNamesAndCleansNone) {
  const std::string nul{"/re\0po/config", 14};
  for (const std::string& target : {std::string{},
                                    std::string{"/"},
                                    std::string{"*"},
                                    std::string{"config"},
                                    std::string{"/config"},
                                    "/data/" + kId,
                                    std::string{"/repo"},
                                    std::string{"//config"},
                                    std::string{"/repo//config"},
                                    std::string{"/repo/./config"},
                                    std::string{"/repo/../config"},
                                    std::string{"/../repo/config"},
                                    std::string{"/.vgerfs-server/config"},
                                    std::string{"/repo/.vgerfs-server/config"},
                                    std::string{"/re%70o/config"},
                                    std::string{"/repo%2fconfig"},
                                    std::string{"/repo/%2e%2e/config"},
                                    std::string{"/r\xc3\xa9po/config"},
                                    nul,
                                    std::string{"/repo/config/"},
                                    std::string{"/repo/config?x=1"},
                                    std::string{"/repo/config?create=true"},
                                    std::string{"/repo/?create=false"},
                                    std::string{"/repo/?create=true&x"},
                                    std::string{"?create=true"},
                                    std::string{"/?create=true"},
                                    std::string{"/repo/data"},
                                    std::string{"/repo/data//"},
                                    std::string{"/repo/data/short"},
                                    "/repo/data/" + std::string(64, 'A'),
                                    "/repo/data/" + kId + "0",
                                    "/repo/data/" + kId + "/",
                                    "/repo/data/aa/" + kId,
                                    "/repo/date/" + kId,
                                    "/a/b/c/data/" + kId,
                                    std::string{"/a/b/c/?create=true"},
                                    std::string{"/api/config"},
                                    std::string{"/api/v1/config"},
                                    std::string{"/health/config"},
                                    std::string{"/team/keys/config"},
                                    std::string{"/metrics/?create=true"},
                                    std::string{"/health/"},
                                    std::string{"http://host/repo/config"},
                                    "/" + std::string(129, 'x') + "/config",
                                    std::string{"/repo\\x/config"},
                                    std::string{"/repo/config\r\n"}}) {
    for (const Method method : {Method::get, Method::post, Method::remove}) {
      EXPECT_TRUE(is<UnknownRoute>(parse_route(method, target))) << target;
    }
  }
}

TEST(Route, NamesTheMethodsThatArePossible) {
  const auto allowed = [](Method method, const std::string& target) {
    const Route route = parse_route(method, target);
    const auto* const wrong = std::get_if<WrongMethodRoute>(&route);
    return wrong == nullptr ? std::string{"none"} : std::string{wrong->allowed};
  };
  EXPECT_EQ(allowed(Method::other, "/repo/data/" + kId), "GET, HEAD, POST, DELETE");
  EXPECT_EQ(allowed(Method::post, "/repo/data/"), "GET");
  EXPECT_EQ(allowed(Method::head, "/repo/data/"), "GET");
  EXPECT_EQ(allowed(Method::remove, "/repo/"), "POST");
  EXPECT_EQ(allowed(Method::get, "/repo/?create=true"), "POST");
  EXPECT_EQ(allowed(Method::post, "/health"), "GET, HEAD");
}

TEST(RepositoryPattern, EndsAtASegment) {
  const auto covers = [](std::string_view pattern, std::string_view name) {
    return RepositoryPattern::parse(pattern)->covers(*RepositoryName::parse(name));
  };
  EXPECT_TRUE(covers("*", "team/repo"));
  EXPECT_TRUE(covers("team/*", "team/repo"));
  EXPECT_FALSE(covers("team/*", "team"));
  EXPECT_FALSE(covers("team/*", "team2/repo"));
  EXPECT_TRUE(covers("repo", "repo"));
  EXPECT_FALSE(covers("repo", "repo2"));
  EXPECT_FALSE(covers("repo", "repo/sub"));
  for (const std::string_view text : {"", "/*", "a/*/b", "te*", "**", "../*", "a/b/*", "data/*"}) {
    EXPECT_FALSE(RepositoryPattern::parse(text)) << text;
  }
}

}  // namespace
}  // namespace vgerfs::server
