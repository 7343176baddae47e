// Leases by the server's clock: who holds one, until when, and what is refused afterwards.
#include "server/leases.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <chrono>
#include <filesystem>
#include <string>

#include <gtest/gtest.h>
#include <nlohmann/json.hpp>

#include "server/scan.h"
#include "service_world.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;
using nlohmann::json;
using std::chrono::seconds;

class LeasesTest : public ServiceWorld {
 protected:
  LeasesTest() { configure({.lock_ttl_seconds = 100}); }

  Reply post(const std::string& word, const json& body, const std::string& token) {
    return ask(Method::post, "/api/v1/" + word + "/repo", token, body.dump());
  }
  Reply acquire(const std::string& object, const std::string& kind = "shared",
                const std::string& token = "append", std::uint64_t ttl_s = 3600) {
    return post("leases",
                {{"object", to_hex(bytes_of(object))}, {"kind", kind}, {"ttl_seconds", ttl_s}},
                token);
  }
  std::uint64_t fence_of(const Reply& reply) {
    EXPECT_EQ(reply.status, 200) << reply.text;
    return json::parse(reply.text).at("fence").get<std::uint64_t>();
  }
  static std::string id_of(const std::string& object) {
    return object_of(object, ObjectType::lock).id.hex();
  }
  int renew(const std::string& object, const std::string& token = "append") {
    return post("renew", {{"lease", id_of(object)}}, token).status;
  }
  int release(const std::string& object, const std::string& token = "append") {
    return post("release", {{"lease", id_of(object)}}, token).status;
  }
  json listed() {
    return json::parse(ask(Method::get, "/api/v1/leases/repo", "read").text).at("leases");
  }
  Reply put_under(std::uint64_t fence, const std::string& body,
                  const std::string& token = "append") {
    return ask(Method::post, target_of(body), token, body, {.fence = std::to_string(fence)});
  }
  Reply remove_under(std::uint64_t fence, const std::string& body) {
    return ask(Method::remove, target_of(body), "maintain", std::nullopt,
               {.fence = std::to_string(fence)});
  }
  bool has_object(const std::string& object) {
    return status(Method::get, target_of(object, ObjectType::lock), "read") == 200;
  }
  Repository repository() { return *world_.store->find(repository_name("repo")); }
  std::string lock_path(const std::string& object) {
    return directory_ / ("data/repo/locks/" + id_of(object));
  }

  static constexpr const char* kFenced = "fenced";
  static bool says_fenced(const Reply& reply) {
    return reply.status == 412 && !reply.headers.empty() &&
           reply.headers[0] == std::pair<std::string, std::string>{"Vgerfs-Error", kFenced};
  }
};

TEST_F(LeasesTest, ALeaseIsAnObjectThatClientsOfTheDirectorySee) {
  const Reply reply = acquire("lease");
  const json granted = json::parse(reply.text);
  EXPECT_EQ(granted["lease"], id_of("lease"));
  EXPECT_EQ(granted["ttl_seconds"], 100) << "at most the server's";
  EXPECT_EQ(world_.in_directory(repository(), ObjectType::lock),
            (std::map<std::string, std::uint64_t>{{id_of("lease"), 5}}));
  ASSERT_EQ(listed().size(), 1U);
  EXPECT_EQ(listed()[0]["token"], "append");
  EXPECT_EQ(listed()[0]["kind"], "shared");
  EXPECT_EQ(listed()[0]["fence"], granted["fence"]);
  EXPECT_EQ(listed()[0]["expires_at"], world_.clock.now().s + 100);
  EXPECT_EQ(release("lease"), 200);
  EXPECT_TRUE(world_.in_directory(repository(), ObjectType::lock).empty());
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(release("lease"), 200) << "again, for the reply may have been lost";
  EXPECT_EQ(renew("lease"), 410);
}

TEST_F(LeasesTest, TheSameObjectAgainIsTheSameLease) {
  const std::uint64_t fence = fence_of(acquire("lease", "exclusive"));
  world_.clock.advance(seconds{50});
  EXPECT_EQ(fence_of(acquire("lease", "exclusive")), fence) << "a reply was lost";
  EXPECT_EQ(listed().size(), 1U);
  world_.clock.advance(seconds{60});
  EXPECT_EQ(acquire("lease", "exclusive").status, 410) << "it renews nothing";
}

TEST_F(LeasesTest, OnlyOneExclusiveLeaseIsLive) {
  acquire("first", "exclusive", "maintain");
  world_.clock.advance(seconds{30});
  const Reply refused = acquire("second", "exclusive");
  EXPECT_EQ(refused.status, 409);
  const json holder = json::parse(refused.text);
  EXPECT_EQ(holder["token"], "maintain");
  EXPECT_EQ(holder["lease"], id_of("first"));
  EXPECT_EQ(holder["expires_in_seconds"], 70);
  EXPECT_FALSE(has_object("second"));
  EXPECT_EQ(world_.files_in(world_.directory.uploads()), 0U);
  EXPECT_EQ(world_.ledger->reserved(), 0U);
  EXPECT_EQ(acquire("shared one").status, 200) << "they run side by side";
  EXPECT_EQ(acquire("shared two").status, 200);
  EXPECT_EQ(release("first", "maintain"), 200);
  EXPECT_EQ(acquire("second", "exclusive").status, 200);
}

TEST_F(LeasesTest, ALeaseExpiresByTheServersClockUnlessItIsRenewed) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  for (int i = 0; i < 5; ++i) {
    world_.clock.advance(seconds{99});
    EXPECT_EQ(renew("lease"), 200);
  }
  EXPECT_EQ(put_under(fence, "in time").status, 200);
  world_.clock.advance(seconds{100});
  EXPECT_TRUE(says_fenced(put_under(fence, "too late")));
  EXPECT_EQ(renew("lease"), 410);
  EXPECT_TRUE(listed().empty());
  EXPECT_EQ(renew("lease"), 410) << "for ever";
}

TEST_F(LeasesTest, AnObjectGoesAQuarterOfTheTtlAfterItsLease) {
  acquire("lease");
  world_.clock.advance(seconds{124});
  EXPECT_TRUE(listed().empty());
  EXPECT_TRUE(has_object("lease")) << "clients of the directory count so";
  world_.clock.advance(seconds{1});
  service_.do_chores();
  EXPECT_FALSE(has_object("lease"));
  EXPECT_EQ(world_.ledger->used_by_repository(repository().id), 0U);
}

TEST_F(LeasesTest, WhoeverListsLocksDoesNotSeeDeadOnes) {
  acquire("lease");
  world_.clock.advance(seconds{125});
  EXPECT_EQ(ask(Method::get, "/repo/locks/", "read").text, "[]");
}

TEST_F(LeasesTest, TheWallClockDoesNotMatter) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  const Timestamp begin = world_.clock.now();
  world_.clock.set({begin.s + 1'000'000, 0});
  EXPECT_EQ(put_under(fence, "set forth").status, 200);
  world_.clock.set({begin.s - 1'000'000, 0});
  EXPECT_EQ(put_under(fence, "set back").status, 200);
  EXPECT_EQ(renew("lease"), 200);
  EXPECT_GT(fence_of(acquire("another")), fence) << "numbers grow all the same";
  world_.clock.advance(seconds{100});
  EXPECT_TRUE(says_fenced(put_under(fence, "too late")));
}

TEST_F(LeasesTest, AfterATakeoverTheFirstHolderChangesNothing) {
  const std::uint64_t first = fence_of(acquire("first", "exclusive", "maintain"));
  ASSERT_EQ(put("append", "there"), 200);
  world_.clock.advance(seconds{100});
  const std::uint64_t second = fence_of(acquire("second", "exclusive", "maintain"));
  EXPECT_GT(second, first);
  EXPECT_TRUE(says_fenced(put_under(first, "new", "maintain")));
  EXPECT_TRUE(says_fenced(put_under(first, "there", "maintain"))) << "not even what is there";
  EXPECT_TRUE(says_fenced(remove_under(first, "there")));
  EXPECT_EQ(renew("first", "maintain"), 410);
  EXPECT_EQ(put_under(second, "new", "maintain").status, 200);
  EXPECT_EQ(remove_under(second, "there").status, 200);
}

TEST_F(LeasesTest, AnUploadThatEndsAfterTheTakeoverPublishesNothing) {
  const std::uint64_t fence = fence_of(acquire("lease", "exclusive"));
  Request request{.method = Method::post,
                  .target = target_of("body"),
                  .authorization = "Bearer append",
                  .fence = std::to_string(fence),
                  .content_length = 4};
  Answer answer = service_.begin(request);
  auto& body = *std::get<std::unique_ptr<RequestBody>>(answer);
  body.write(bytes_of("body"));
  world_.clock.advance(seconds{100});
  ASSERT_EQ(acquire("second", "exclusive", "maintain").status, 200);
  EXPECT_THROW(body.finish(), Fenced);
  EXPECT_EQ(status(Method::get, target_of("body"), "read"), 404);
  answer = Reply{};
  EXPECT_EQ(world_.files_in(world_.directory.uploads()), 0U);
  EXPECT_EQ(world_.ledger->reserved(), 0U);
}

TEST_F(LeasesTest, WhatIsFencedAlreadyIsRefusedBeforeItsBody) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  world_.clock.advance(seconds{100});
  const Answer answer = service_.begin({.method = Method::post,
                                        .target = target_of("body"),
                                        .authorization = "Bearer append",
                                        .fence = std::to_string(fence),
                                        .content_length = 4});
  ASSERT_TRUE(std::holds_alternative<Reply>(answer));
  EXPECT_TRUE(says_fenced(std::get<Reply>(answer)));
}

TEST_F(LeasesTest, AFenceThatNeverWasRefuses) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  EXPECT_TRUE(says_fenced(put_under(fence + 1, "body")));
  EXPECT_TRUE(says_fenced(put_under(0, "body")));
  EXPECT_EQ(put("append", "without a fence"), 200);
  EXPECT_EQ(ask(Method::post, target_of("b"), "append", "b", {.fence = "1x"}).status, 400);
  ASSERT_EQ(status(Method::post, "/other/?create=true", "configured"), 200);
  const std::string other = "/other/data/" + object_of("body").id.hex();
  EXPECT_TRUE(
      says_fenced(ask(Method::post, other, "configured", "body", {.fence = std::to_string(fence)})))
      << "of another repository";
}

TEST_F(LeasesTest, AStartGivesEachLeaseItsWholeTtl) {
  acquire("lease");
  world_.clock.advance(seconds{99});
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, lock_path("lease").c_str(), old, 0), 0);
  Leases again{*world_.store, *world_.queue, world_.clock};
  EXPECT_EQ(again.list(repository()).at(0).left_s, 100);
  struct stat status {};
  ASSERT_EQ(::stat(lock_path("lease").c_str(), &status), 0);
  EXPECT_NE(status.st_mtim.tv_sec, 1'000'000'000) << "clients of the directory see it live, too";
}

TEST_F(LeasesTest, WhatWasToldToBeOverStaysSoAfterAStart) {
  const std::uint64_t one = fence_of(acquire("one", "exclusive", "maintain"));
  acquire("two");
  const std::uint64_t three = fence_of(acquire("three"));
  world_.clock.advance(seconds{100});
  fence_of(acquire("taken over", "exclusive", "append"));
  EXPECT_EQ(renew("two"), 410);
  EXPECT_TRUE(says_fenced(put_under(three, "body")));
  Leases again{*world_.store, *world_.queue, world_.clock};
  const auto live = again.list(repository());
  ASSERT_EQ(live.size(), 1U);
  EXPECT_EQ(live[0].row.id.hex(), id_of("taken over"));
  for (const std::uint64_t fence : {one, three}) {
    EXPECT_THROW(again.fenced(repository(), fence,
                              [&](const ChangeGuard& guard) { world_.queue->commit(guard); }),
                 Fenced);
  }
}

TEST_F(LeasesTest, ATakeoverStaysOneAfterAStart) {
  acquire("first", "exclusive", "maintain");
  world_.clock.advance(seconds{100});
  fence_of(acquire("second", "exclusive"));
  Leases again{*world_.store, *world_.queue, world_.clock};
  const auto live = again.list(repository());
  ASSERT_EQ(live.size(), 1U) << "two would be live, each with its whole ttl";
  EXPECT_EQ(live[0].row.id.hex(), id_of("second"));
}

TEST_F(LeasesTest, ALeaseThatARenewalFoundOverStaysSoAfterAStart) {
  acquire("lease");
  world_.clock.advance(seconds{100});
  EXPECT_EQ(renew("lease"), 410);
  Leases again{*world_.store, *world_.queue, world_.clock};
  EXPECT_TRUE(again.list(repository()).empty());
}

TEST_F(LeasesTest, AChangeThatWasFencedStaysSoAfterAStart) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  world_.clock.advance(seconds{100});
  EXPECT_TRUE(says_fenced(put_under(fence, "body")));
  Leases again{*world_.store, *world_.queue, world_.clock};
  EXPECT_THROW(again.require_live(repository(), fence), Fenced);
}

TEST_F(LeasesTest, NumbersNeverRepeat) {
  std::uint64_t last = 0;
  for (int i = 0; i < 3; ++i) {
    const std::string object = "lease " + std::to_string(i);
    const std::uint64_t fence = fence_of(acquire(object));
    EXPECT_GT(fence, last);
    last = fence;
    EXPECT_EQ(release(object), 200);
  }
  // An older copy of the database is put back: it knows an older number.
  world_.queue->commit([](Change& change) {
    change.database().query("UPDATE repositories SET last_fence = 0").run();
  });
  world_.clock.advance(seconds{1});
  EXPECT_GT(fence_of(acquire("after")), last);
}

TEST_F(LeasesTest, ARenewalSetsTheObjectsTime) {
  acquire("lease");
  const timespec old[2] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  ASSERT_EQ(::utimensat(AT_FDCWD, lock_path("lease").c_str(), old, 0), 0);
  EXPECT_EQ(renew("lease"), 200);
  struct stat status {};
  ASSERT_EQ(::stat(lock_path("lease").c_str(), &status), 0);
  EXPECT_NE(status.st_mtim.tv_sec, 1'000'000'000);
}

TEST_F(LeasesTest, AnothersLeaseIsNobodysButHisAndAMaintainers) {
  acquire("lease");
  EXPECT_EQ(renew("lease", "other-append"), 403);
  EXPECT_EQ(renew("lease", "maintain"), 403);
  EXPECT_EQ(release("lease", "other-append"), 403);
  EXPECT_EQ(acquire("lease", "shared", "other-append").status, 403) << "nobody becomes its owner";
  EXPECT_EQ(release("lease", "other-append"), 403);
  EXPECT_EQ(listed().size(), 1U);
  EXPECT_EQ(release("lease", "maintain"), 200);
  EXPECT_TRUE(listed().empty());
  const std::string log{text_of(read_whole_file(directory_ / "log", 1 << 20))};
  EXPECT_NE(log.find("removed"), std::string::npos);
}

TEST_F(LeasesTest, AppendOnlyLetsNobodyReleaseAnothers) {
  configure({.append_only = true});
  acquire("lease");
  for (const std::string token : {"other-append", "maintain", "admin", "configured"}) {
    EXPECT_EQ(release("lease", token), 403) << token;
  }
  EXPECT_EQ(renew("lease"), 200);
  EXPECT_EQ(release("lease"), 200);
  EXPECT_TRUE(listed().empty());
}

TEST_F(LeasesTest, AReaderHasNone) {
  acquire("lease");
  EXPECT_EQ(acquire("readers", "shared", "read").status, 403);
  EXPECT_EQ(renew("lease", "read"), 403);
  EXPECT_EQ(release("lease", "read"), 403);
  EXPECT_EQ(acquire("nobodys", "shared", "").status, 401);
  EXPECT_EQ(ask(Method::get, "/api/v1/leases/repo", "").status, 401);
  EXPECT_EQ(ask(Method::get, "/api/v1/leases/other", "admin").status, 403);
}

TEST_F(LeasesTest, RemovingTheObjectEndsTheLease) {
  const std::uint64_t fence = fence_of(acquire("lease", "exclusive"));
  const std::string object = target_of("lease", ObjectType::lock);
  EXPECT_EQ(status(Method::remove, object, "other-append"), 403);
  EXPECT_EQ(status(Method::remove, object, "append"), 200);
  EXPECT_EQ(renew("lease"), 410);
  EXPECT_TRUE(says_fenced(put_under(fence, "body")));
  EXPECT_EQ(acquire("second", "exclusive", "maintain").status, 200);
}

TEST_F(LeasesTest, AClientOfTheDirectoryMayRemoveTheObject) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  ASSERT_TRUE(std::filesystem::remove(lock_path("lease")));
  EXPECT_TRUE(says_fenced(put_under(fence, "body")));
  EXPECT_EQ(acquire("lease").status, 410);
  EXPECT_EQ(renew("lease"), 410);
}

TEST_F(LeasesTest, AnObjectThatACrashLeftWithoutItsLeaseBecomesOne) {
  ASSERT_EQ(put("append", "lease", ObjectType::lock), 200);
  EXPECT_EQ(acquire("lease", "shared", "other-append").status, 403);
  const std::uint64_t fence = fence_of(acquire("lease"));
  EXPECT_EQ(put_under(fence, "body").status, 200);
  EXPECT_EQ(listed().size(), 1U);
}

TEST_F(LeasesTest, AQuotaHoldsForLeases) {
  configure({.quota_bytes = 100});
  EXPECT_EQ(acquire(std::string(200, 'x')).status, 507);
  EXPECT_EQ(acquire(std::string(100, 'x')).status, 200);
  EXPECT_EQ(world_.ledger->used_by_repository(repository().id), 100U);
  EXPECT_EQ(world_.ledger->reserved(), 0U);
}

TEST_F(LeasesTest, WhatIsNoLeaseIsRefused) {
  const json good{{"object", "00"}, {"kind", "shared"}, {"ttl_seconds", 10}};
  const auto with = [&](const std::string& member, const json& value) {
    json body = good;
    body[member] = value;
    return post("leases", body, "append").status;
  };
  EXPECT_EQ(with("object", ""), 400);
  EXPECT_EQ(with("object", "0"), 400);
  EXPECT_EQ(with("object", "zz"), 400);
  EXPECT_EQ(with("object", 1), 400);
  EXPECT_EQ(with("object", std::string(2 * 64 * 1024 + 2, '0')), 400);
  EXPECT_EQ(with("object", std::string(1 << 20, '0')), 413);
  EXPECT_EQ(with("kind", "Exclusive"), 400);
  EXPECT_EQ(with("ttl_seconds", 0), 400);
  EXPECT_EQ(with("ttl_seconds", -1), 400);
  EXPECT_EQ(with("ttl_seconds", 1.5), 400);
  EXPECT_EQ(with("ttl_seconds", "10"), 400);
  EXPECT_EQ(with("fence", 1), 400);
  EXPECT_EQ(with("ttl_seconds", 18'446'744'073'709'551'615U), 200) << "cut to the server's";
  EXPECT_EQ(post("renew", {{"lease", "x"}}, "append").status, 400);
  EXPECT_EQ(post("release", json::object(), "append").status, 400);
  EXPECT_EQ(status(Method::get, "/api/v1/renew/repo", "append"), 405);
  EXPECT_EQ(status(Method::remove, "/api/v1/leases/repo", "append"), 405);
}

TEST_F(LeasesTest, MetricsCountLiveOnes) {
  acquire("one");
  acquire("two");
  const auto shows = [&](const std::string& line) {
    return ask(Method::get, "/metrics", "configured").text.find(line) != std::string::npos;
  };
  EXPECT_TRUE(shows("vgerfs_leases{repository=\"repo\"} 2\n"));
  world_.clock.advance(seconds{100});
  EXPECT_TRUE(shows("vgerfs_leases{repository=\"repo\"} 0\n"));
}

TEST_F(LeasesTest, ARescanKeepsThem) {
  const std::uint64_t fence = fence_of(acquire("lease"));
  world_.queue->commit([&](Change& change) {
    const auto root = world_.directory.open_repository(repository_name("repo"));
    scan_repository(RepositoryFiles{root->get()}, change.catalog(), repository().id, 0);
  });
  EXPECT_EQ(put_under(fence, "body").status, 200);
  EXPECT_GT(fence_of(acquire("another")), fence);
}

}  // namespace
}  // namespace vgerfs::server
