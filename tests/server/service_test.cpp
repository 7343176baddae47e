#include "server/service.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <filesystem>
#include <string>

#include <gtest/gtest.h>

#include "base/fd.h"
#include "server/list_text.h"
#include "service_world.h"

namespace vgerfs::server {
namespace {

using format::ObjectType;

using ServiceTest = ServiceWorld;

TEST_F(ServiceTest, AsksForATokenEverywhereButForHealth) {
  EXPECT_EQ(status(Method::get, "/health", ""), 200);
  const std::string object = target_of("x");
  for (const std::string& target : {object, std::string{"/repo/config"}, std::string{"/repo/data/"},
                                    std::string{"/metrics"}, std::string{"/none/config"}}) {
    const Reply reply = ask(Method::get, target, "");
    EXPECT_EQ(reply.status, 401) << target;
    EXPECT_EQ(reply.headers[0].first, "WWW-Authenticate");
    EXPECT_EQ(status(Method::get, target, "wrong"), 401) << target;
  }
  EXPECT_EQ(status(Method::post, object, "", "x"), 401);
  EXPECT_EQ(status(Method::remove, object, ""), 401);
}

TEST_F(ServiceTest, ATokenShowsNothingOfOtherRepositories) {
  // The same answer for one that is there and one that is not.
  ASSERT_EQ(status(Method::post, "/there/?create=true", "configured"), 200);
  const Reply there = ask(Method::get, "/there/config", "admin");
  const Reply absent = ask(Method::get, "/absent/config", "admin");
  EXPECT_EQ(there.status, 403);
  EXPECT_EQ(absent.status, 403);
  EXPECT_EQ(there.text, absent.text);
  EXPECT_EQ(ask(Method::remove, "/there/config", "admin").text,
            ask(Method::remove, "/absent/config", "admin").text);
}

TEST_F(ServiceTest, AppendAddsAndRemovesNothing) {
  EXPECT_EQ(put("append", "bytes"), 200);
  EXPECT_EQ(put("append", "bytes"), 200) << "again";
  EXPECT_EQ(status(Method::remove, target_of("bytes"), "append"), 403);
  EXPECT_EQ(status(Method::remove, target_of("absent"), "append"), 403);
  EXPECT_EQ(status(Method::get, target_of("bytes"), "read"), 200);
  EXPECT_EQ(put("read", "more"), 403);
}

TEST_F(ServiceTest, AppendRemovesItsOwnLocksOnly) {
  const std::string lock = target_of("lock", ObjectType::lock);
  ASSERT_EQ(put("append", "lock", ObjectType::lock), 200);
  EXPECT_EQ(status(Method::remove, lock, "other-append"), 403);
  EXPECT_EQ(status(Method::remove, lock, "append"), 200);
  EXPECT_EQ(status(Method::get, lock, "append"), 404);
}

TEST_F(ServiceTest, SendingTheSameLockMakesNobodyItsOwner) {
  ASSERT_EQ(put("append", "lock", ObjectType::lock), 200);
  ASSERT_EQ(put("other-append", "lock", ObjectType::lock), 200);
  EXPECT_EQ(status(Method::remove, target_of("lock", ObjectType::lock), "other-append"), 403);
}

TEST_F(ServiceTest, AppendOnlyHoldsForEveryToken) {
  configure({.append_only = true});
  ASSERT_EQ(put("append", "bytes"), 200);
  ASSERT_EQ(put("append", "lock", ObjectType::lock), 200);
  for (const std::string token : {"append", "maintain", "admin", "configured"}) {
    EXPECT_EQ(status(Method::remove, target_of("bytes"), token), 403) << token;
  }
  EXPECT_EQ(status(Method::remove, target_of("lock", ObjectType::lock), "maintain"), 403);
  EXPECT_EQ(status(Method::remove, target_of("lock", ObjectType::lock), "append"), 200);
}

TEST_F(ServiceTest, MaintainRemovesAndWhatIsAbsentIsRemovedToo) {
  ASSERT_EQ(put("append", "bytes"), 200);
  EXPECT_EQ(status(Method::remove, target_of("bytes"), "maintain"), 200);
  EXPECT_EQ(status(Method::remove, target_of("bytes"), "maintain"), 200);
  EXPECT_EQ(status(Method::remove, "/repo/config", "maintain"), 403);
}

TEST_F(ServiceTest, ListsInBothVersions) {
  ASSERT_EQ(put("append", "bytes"), 200);
  const std::string id = object_of("bytes").id.hex();
  const Reply v2 =
      ask(Method::get, "/repo/data/", "read", std::nullopt, {.accept = std::string{kListTypeV2}});
  EXPECT_EQ(v2.content_type, kListTypeV2) << "bare: restic takes a parameter for version 1";
  EXPECT_EQ(v2.text, fmt::format(R"([{{"name":"{}","size":5}}])", id));
  const Reply v1 = ask(Method::get, "/repo/data/", "read", std::nullopt, {.accept = "*/*"});
  EXPECT_EQ(v1.content_type, kListTypeV1);
  EXPECT_EQ(v1.text, fmt::format(R"(["{}"])", id));
  EXPECT_EQ(ask(Method::get, "/repo/index/", "read").text, "[]");
  EXPECT_EQ(status(Method::get, "/none/index/", "configured"), 404);
}

TEST_F(ServiceTest, SaysWhenObjectsWereStoredAsTheirFilesDo) {
  for (const ObjectType type : {ObjectType::pack, ObjectType::lock}) {
    ASSERT_EQ(put("append", "bytes", type), 200);
    const auto name = object_of("bytes").id;
    struct stat status {};
    const format::ObjectName object{type, name};
    ASSERT_EQ(::stat((directory_ / ("data/repo/" + object.path())).c_str(), &status), 0);
    const Reply list = ask(Method::get, fmt::format("/repo/{}/", format::directory_name(type)),
                           "read", std::nullopt, {.accept = std::string{kListTypeTimes}});
    EXPECT_EQ(list.content_type, kListTypeTimes);
    EXPECT_EQ(list.text, fmt::format(R"([{{"name":"{}","size":5,"stored_at_ns":{}}}])", name.hex(),
                                     modified_ns(status)));
    for (const Method method : {Method::head, Method::get}) {
      const Reply one = ask(method, target_of("bytes", type), "read");
      EXPECT_EQ(one.headers.back().first, "Vgerfs-Stored-At");
      EXPECT_EQ(one.headers.back().second, std::to_string(modified_ns(status)));
    }
  }
}

TEST_F(ServiceTest, ARescanKnowsTheFilesTimes) {
  ASSERT_EQ(status(Method::post, "/repo/config", "admin", "config"), 200);
  const std::string path = directory_ / "data/other";
  std::filesystem::copy(directory_ / "data/repo", path, std::filesystem::copy_options::recursive);
  const std::string object = path + "/index/" + std::string(64, 'a');
  { const Fd file = open_file(object, O_WRONLY | O_CREAT, 0600); }
  const timespec times[2] = {{1'000'000'000, 5}, {1'000'000'000, 5}};
  ASSERT_EQ(::utimensat(AT_FDCWD, object.c_str(), times, 0), 0);
  const Reply list = ask(Method::get, "/other/index/", "configured", std::nullopt,
                         {.accept = std::string{kListTypeTimes}});
  EXPECT_NE(list.text.find("\"stored_at_ns\":1000000000000000005"), std::string::npos) << list.text;
}

TEST_F(ServiceTest, EveryReplySaysWhoAnswersAndWhen) {
  const std::string header = header_text({.status = 404}, 784'111'777);
  EXPECT_NE(header.find("\r\nVgerfs-Api: 1\r\n"), std::string::npos);
  EXPECT_NE(header.find("\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"), std::string::npos);
}

TEST_F(ServiceTest, ARefusalTellsAConflictFromAPolicy) {
  ASSERT_EQ(status(Method::post, "/repo/config", "admin", "config"), 200);
  const Reply conflict = ask(Method::post, "/repo/config", "admin", "another");
  EXPECT_EQ(conflict.status, 403);
  ASSERT_FALSE(conflict.headers.empty());
  EXPECT_EQ(conflict.headers[0], (std::pair<std::string, std::string>{"Vgerfs-Error", "exists"}));
  EXPECT_TRUE(ask(Method::post, "/repo/config", "read", "another").headers.empty());
}

TEST_F(ServiceTest, LargeListsLieInAFile) {
  ListText text{ListVersion::v2, world_.directory.uploads()};
  std::string expected = "[";
  for (int i = 0; i < 5000; ++i) {
    const auto name = object_of(std::to_string(i));
    text.add({name, 7, 0});
    expected += fmt::format(R"({}{{"name":"{}","size":7}})", i == 0 ? "" : ",", name.id.hex());
  }
  expected += ']';
  const Reply reply = text.finish();
  ASSERT_TRUE(reply.file);
  std::string got(reply.file->bytes, '\0');
  read_at(reply.file->fd->get(), {reinterpret_cast<std::byte*>(got.data()), got.size()}, 0, "it");
  EXPECT_EQ(got, expected);
  EXPECT_EQ(world_.files_in(world_.directory.uploads()), 0U);
}

TEST_F(ServiceTest, RangesAreExact) {
  ASSERT_EQ(put("append", "0123456789"), 200);
  const auto read = [&](std::string range, Method method = Method::get) {
    return ask(method, target_of("0123456789"), "read", std::nullopt, {.range = std::move(range)});
  };
  const Reply part = read("bytes=2-4");
  EXPECT_EQ(part.status, 206);
  EXPECT_EQ(part.file->offset, 2U);
  EXPECT_EQ(part.file->bytes, 3U);
  EXPECT_EQ(part.headers[1].second, "bytes 2-4/10");
  EXPECT_EQ(read("").status, 200);
  const Reply beyond = read("bytes=10-");
  EXPECT_EQ(beyond.status, 416);
  EXPECT_EQ(beyond.headers[0].second, "bytes */10");
  const Reply head = read("bytes=2-4", Method::head);
  EXPECT_EQ(head.status, 200);
  EXPECT_EQ(head.body_bytes(), 10U);
  EXPECT_TRUE(head.without_body);
}

TEST_F(ServiceTest, RefusesALengthThatIsMissingOrTooLargeBeforeTheBody) {
  EXPECT_EQ(status(Method::post, target_of("x"), "append"), 411);
  Request request{.content_length = (1ULL << 62)};
  EXPECT_EQ(ask(Method::post, target_of("x"), "append", std::nullopt, request).status, 413);
  request.content_length = (1 << 20) + 1;
  EXPECT_EQ(
      ask(Method::post, target_of("x", ObjectType::lock), "append", std::nullopt, request).status,
      413)
      << "a lock is small";
}

TEST_F(ServiceTest, ABodyOfOtherLengthOrContentIsRefused) {
  const std::string target = target_of("announced");
  EXPECT_EQ(status(Method::post, target, "append", "other"), 400);
  EXPECT_EQ(status(Method::post, target, "append", ""), 400);
  EXPECT_TRUE(world_.in_directory(*world_.store->find(repository_name("repo"))).empty());
}

TEST_F(ServiceTest, AQuotaLeavesRoomForPruning) {
  configure({.quota_bytes = 1000});
  ASSERT_EQ(put("append", std::string(1000, 'a')), 200);
  EXPECT_EQ(put("append", "b"), 507);
  EXPECT_EQ(put("append", "lock", ObjectType::lock), 200) << "headroom for what is no data";
  EXPECT_EQ(put("append", std::string(60, 'i'), ObjectType::index), 507) << "of a twentieth";
  EXPECT_EQ(put("maintain", std::string(60, 'c')), 200) << "headroom for maintenance";
  EXPECT_EQ(put("maintain", std::string(60, 'd')), 507) << "of a tenth";
  EXPECT_EQ(status(Method::remove, target_of(std::string(1000, 'a')), "maintain"), 200);
  EXPECT_EQ(put("append", std::string(900, 'e')), 200);
  EXPECT_EQ(world_.ledger->reserved(), 0U);
}

TEST_F(ServiceTest, ARepositoryMayHaveAQuotaOfItsOwn) {
  configure({.quota_bytes = 10, .repository_quotas = {{"repo", 0}}});
  EXPECT_EQ(put("append", std::string(1000, 'a')), 200);
}

TEST_F(ServiceTest, WhatFailsInsideIsNotTold) {
  std::filesystem::rename(directory_ / "data/repo", directory_ / "data/gone");
  const Reply reply = ask(Method::get, target_of("x"), "read");
  EXPECT_EQ(reply.status, 503);
  EXPECT_EQ(reply.text, "the server failed: its log says why\n");
}

TEST_F(ServiceTest, MetricsAreForAdminsOfAllRepositories) {
  ASSERT_EQ(put("append", "bytes"), 200);
  EXPECT_EQ(status(Method::get, "/metrics", "admin"), 403) << "of one repository";
  const Reply reply = ask(Method::get, "/metrics", "configured");
  EXPECT_EQ(reply.status, 200);
  EXPECT_NE(reply.text.find("vgerfs_stored_bytes{repository=\"repo\",type=\"data\"} 5\n"),
            std::string::npos);
}

TEST_F(ServiceTest, NoTokenComesIntoTheLog) {
  status(Method::get, "/repo/config", "a-secret-that-is-wrong");
  put("append", "bytes");
  status(Method::remove, target_of("bytes"), "append");
  status(Method::remove, target_of("bytes"), "maintain");
  const std::string text{text_of(read_whole_file(directory_ / "log", 1 << 20))};
  EXPECT_NE(text.find("refused"), std::string::npos);
  EXPECT_NE(text.find("removed"), std::string::npos);
  EXPECT_EQ(text.find("a-secret"), std::string::npos);
  EXPECT_EQ(text.find("Bearer"), std::string::npos);
}

}  // namespace
}  // namespace vgerfs::server
