// What the service answers below /api/v1/, but for what needs a connection to wait.
#include "server/api.h"

#include <algorithm>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "compaction_world.h"
#include "format/store_change.h"
#include "service_world.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;

class ApiTest : public ServiceWorld {
 protected:
  json get(const std::string& target, const std::string& token = "read") {
    const Reply reply = ask(Method::get, target, token);
    EXPECT_EQ(reply.status, 200) << target << ": " << reply.text;
    EXPECT_EQ(reply.content_type, "application/json");
    return json::parse(reply.text);
  }
};

TEST_F(ApiTest, StatisticsAreWhatIsThere) {
  ASSERT_EQ(put("append", "12345"), 200);
  ASSERT_EQ(put("append", "1234567"), 200);
  ASSERT_EQ(put("append", "snapshot", ObjectType::snapshot), 200);
  ASSERT_EQ(status(Method::remove, target_of("12345"), "maintain"), 200);
  configure({.quota_bytes = 1000});
  const json one = get("/api/v1/repositories/repo");
  EXPECT_EQ(one["name"], "repo");
  EXPECT_EQ(one["objects"], 2);
  EXPECT_EQ(one["bytes"], 15);
  EXPECT_EQ(one["types"]["data"], json({{"objects", 1}, {"bytes", 7}}));
  EXPECT_EQ(one["trash"], json({{"objects", 1}, {"bytes", 5}}));
  EXPECT_EQ(one["quota_bytes"], 1000);
  EXPECT_EQ(one["last_backup_at"], world_.clock.now().s);
  EXPECT_EQ(one["head"]["sequence"], 4);
}

TEST_F(ApiTest, ATokenSeesItsRepositoriesOnly) {
  ASSERT_EQ(status(Method::post, "/other/?create=true", "configured"), 200);
  EXPECT_EQ(get("/api/v1/repositories", "configured")["repositories"].size(), 2U);
  const json own = get("/api/v1/repositories")["repositories"];
  ASSERT_EQ(own.size(), 1U);
  EXPECT_EQ(own[0]["name"], "repo");
  for (const std::string what : {"repositories", "changes"}) {
    EXPECT_EQ(status(Method::get, "/api/v1/" + what + "/other", "admin"), 403) << what;
    EXPECT_EQ(status(Method::get, "/api/v1/" + what + "/absent", "admin"), 403) << what;
    EXPECT_EQ(status(Method::get, "/api/v1/" + what + "/absent", "configured"), 404) << what;
    EXPECT_EQ(status(Method::get, "/api/v1/" + what + "/repo", ""), 401) << what;
  }
  EXPECT_EQ(status(Method::get, "/api/v1/repositories", ""), 401);
  EXPECT_EQ(status(Method::post, "/api/v1/have/other", "admin", "{}"), 403);
}

TEST_F(ApiTest, ChangesAreAChainThatAClientCanFollow) {
  const json begin = get("/api/v1/changes/repo")["head"];
  ASSERT_EQ(put("append", "12345"), 200);
  ASSERT_EQ(status(Method::remove, target_of("12345"), "maintain"), 200);
  const json reply =
      get(fmt::format("/api/v1/changes/repo?since={}", begin["sequence"].get<int>()));
  ASSERT_EQ(reply["changes"].size(), 2U);
  const json& added = reply["changes"][0];
  const json& removed = reply["changes"][1];
  EXPECT_EQ(added["change"], "added");
  EXPECT_EQ(added["type"], "data");
  EXPECT_EQ(added["name"], object_of("12345").id.hex());
  EXPECT_EQ(added["bytes"], 5);
  EXPECT_EQ(added["token"], "append");
  EXPECT_EQ(removed["change"], "removed");
  EXPECT_EQ(removed["token"], "maintain");

  Sha256Digest hash = ObjectId::parse(begin["hash"].get<std::string>())->bytes();
  for (const json& change : reply["changes"]) {
    hash = format::link_hash(hash, {.sequence = change["sequence"],
                                    .is_added = change["change"] == "added",
                                    .object = object_of("12345"),
                                    .bytes = change["bytes"],
                                    .stored_at_ns = change["stored_at_ns"],
                                    .at_s = change["at"],
                                    .token = change["token"]});
  }
  EXPECT_EQ(reply["last"]["hash"], ObjectId{hash}.hex());
  EXPECT_EQ(reply["last"], reply["head"]);
  EXPECT_EQ(get("/api/v1/changes/repo")["head"], reply["head"]);
  const Reply list = ask(Method::get, "/repo/data/", "read");
  const auto header = [&](const std::string& name) {
    return std::find_if(list.headers.begin(), list.headers.end(),
                        [&](const auto& each) { return each.first == name; })
        ->second;
  };
  EXPECT_EQ(header("Vgerfs-Sequence"), std::to_string(reply["head"]["sequence"].get<int>()));
  EXPECT_EQ(header("Vgerfs-Hash"), reply["head"]["hash"]);
}

TEST_F(ApiTest, WhoAsksForWhatIsForgottenOrNeverWasIsToldToList) {
  ASSERT_EQ(put("append", "1"), 200);
  ASSERT_EQ(put("append", "2"), 200);
  EXPECT_EQ(status(Method::get, "/api/v1/changes/repo?since=3", "read"), 410) << "never was";
  EXPECT_EQ(status(Method::get, "/api/v1/changes/repo?since=2", "read"), 200);
  world_.store->forget_changes_before(world_.clock.now().s + 1);
  EXPECT_EQ(status(Method::get, "/api/v1/changes/repo?since=1", "read"), 410);
  EXPECT_EQ(status(Method::get, "/api/v1/changes/repo?since=2", "read"), 200) << "the head stays";
  ASSERT_EQ(put("append", "3"), 200);
  EXPECT_EQ(get("/api/v1/changes/repo?since=2")["changes"].size(), 1U);
}

TEST_F(ApiTest, ARepositoryThatIsMadeAnewHasAnotherHistory) {
  ASSERT_EQ(status(Method::post, "/other/?create=true", "configured"), 200);
  EXPECT_NE(get("/api/v1/changes/repo")["head"]["hash"],
            get("/api/v1/changes/other", "configured")["head"]["hash"]);
}

TEST_F(ApiTest, EventsCarryTheHash) {
  ASSERT_EQ(put("append", "1"), 200);
  const Reply reply = ask(Method::get, "/api/v1/changes/repo?since=0", "read", std::nullopt,
                          {.accept = "text/event-stream"});
  EXPECT_EQ(reply.content_type, "text/event-stream");
  EXPECT_TRUE(reply.is_endless);
  EXPECT_EQ(reply.text.substr(0, 20), "id: 1\nevent: change\n");
  const std::string hash = get("/api/v1/changes/repo")["head"]["hash"];
  EXPECT_NE(reply.text.find(hash), std::string::npos);
  EXPECT_EQ(header_text(reply, 0).find("Content-Length"), std::string::npos);
}

TEST_F(ApiTest, HaveTellsWhatIsThere) {
  ASSERT_EQ(put("append", "12345"), 200);
  const std::string there = object_of("12345").id.hex();
  const std::string absent = object_of("absent").id.hex();
  const auto have = [&](const json& body) {
    return ask(Method::post, "/api/v1/have/repo", "read", body.dump());
  };
  const Reply reply = have({{"type", "data"}, {"names", {absent, there}}});
  EXPECT_EQ(reply.status, 200) << reply.text;
  EXPECT_EQ(json::parse(reply.text)["objects"],
            json::parse(fmt::format(R"([{{"name":"{}","size":5}}])", there)));
  const json names = json::array({there});
  for (const json& wrong :
       {json{{"type", "data"}}, json{{"type", "data"}, {"names", there}},
        json{{"type", "data"}, {"names", {1}}}, json{{"type", "data"}, {"names", {"a"}}},
        json{{"type", "locks"}, {"names", names}}, json{{"type", 1}, {"names", names}},
        json{{"type", "data"}, {"names", names}, {"more", 1}},
        json{{"type", "data' OR 1=1 --"}, {"names", names}}}) {
    EXPECT_EQ(have(wrong).status, 400) << wrong;
  }
  for (const std::string wrong : {"", "[]", "{", "{}x", "{\"type\":\"data\"", "\xff"}) {
    EXPECT_EQ(status(Method::post, "/api/v1/have/repo", "read", wrong), 400) << wrong;
  }
  const std::string nested(100'000, '[');
  EXPECT_EQ(status(Method::post, "/api/v1/have/repo", "read", nested), 400);
  const std::string large(2 << 20, ' ');
  EXPECT_EQ(status(Method::post, "/api/v1/have/repo", "read", large), 413);
}

TEST_F(ApiTest, CompactsForMaintainersOnly) {
  const TestPack one = random_pack(1, {300, 400});
  ASSERT_EQ(put("append", std::string{text_of(one.bytes)}), 200);
  const std::string plan =
      plan_of({new_pack_of(test_header(9), {source_of(one, {run_of(one, 1)})})});
  const auto ask_with = [&](const std::string& token) {
    return status(Method::post, "/api/v1/compact/repo", token, plan);
  };
  EXPECT_EQ(ask_with(""), 401);
  EXPECT_EQ(ask_with("read"), 403);
  EXPECT_EQ(ask_with("append"), 403);
  EXPECT_EQ(get("/api/v1/repositories/repo")["objects"], 1) << "nothing was made";
  EXPECT_EQ(ask_with("maintain"), 200);
  EXPECT_EQ(get("/api/v1/repositories/repo")["objects"], 2);
  EXPECT_EQ(status(Method::post, "/api/v1/compact/other", "admin", plan), 403);
  EXPECT_EQ(status(Method::post, "/api/v1/compact/other", "configured", plan), 404);
}

TEST_F(ApiTest, APlanHasALimitBeforeItIsRead) {
  EXPECT_EQ(
      status(Method::post, "/api/v1/compact/repo", "maintain", std::string((1 << 20) + 1, ' ')),
      413);
  Request chunked;
  chunked.is_chunked = true;
  const Reply reply = ask(Method::post, "/api/v1/compact/repo", "maintain",
                          std::string((1 << 20) + 1, ' '), chunked);
  EXPECT_EQ(reply.status, 413);
}

TEST_F(ApiTest, ACompactionCountsAgainstTheQuota) {
  const TestPack one = random_pack(1, {3000, 4000});
  ASSERT_EQ(put("append", std::string{text_of(one.bytes)}), 200);
  configure({.quota_bytes = one.bytes.size() + 3000});
  const std::string plan =
      plan_of({new_pack_of(test_header(9), {source_of(one, {run_of(one, 1)})})});
  EXPECT_EQ(status(Method::post, "/api/v1/compact/repo", "maintain", plan), 507);
  configure({.quota_bytes = one.bytes.size() + 5000});
  EXPECT_EQ(status(Method::post, "/api/v1/compact/repo", "maintain", plan), 200);
}

TEST_F(ApiTest, ALimitOfObjectsHoldsForWhatTheServerMakes) {
  const TestPack one = random_pack(1, {3000, 4000});
  ASSERT_EQ(put("append", std::string{text_of(one.bytes)}), 200);
  configure({.max_object_bytes = 4000});
  const std::string plan =
      plan_of({new_pack_of(test_header(9), {source_of(one, {run_of(one, 1)})})});
  EXPECT_EQ(status(Method::post, "/api/v1/compact/repo", "maintain", plan), 422);
}

}  // namespace
}  // namespace vgerfs::server
