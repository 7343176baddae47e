// The REST backend against the real server, one fault or refusal at a time. What all stores must do
// is in the conformance suite.
#include "backends/rest_backend.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <ctime>
#include <filesystem>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/store_services.h"
#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "fault_proxy.h"
#include "rest_server.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::testing {
namespace {

using backends::Backend;
using backends::create_rest_backend;
using backends::open_rest_backend;
using backends::RemoteOptions;
using backends::write_object;
using format::config_name;
using format::ObjectName;
using format::ObjectType;
using std::chrono::milliseconds;
using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

/// A sanitizer on a busy machine may take a second for an answer.
constexpr milliseconds kLongerThanAnyAnswer{10'000};

RemoteOptions patient_options(milliseconds timeout = kLongerThanAnyAnswer) {
  RemoteOptions options;
  options.token = RestServer::kToken;
  options.first_pause = milliseconds{1};
  options.stall_timeout = timeout;
  options.answer_timeout = timeout;
  // Not the default of five minutes: what goes on for ever shall fail its test soon.
  options.retry_time = milliseconds{30'000};
  return options;
}

/// Gives up soon.
RemoteOptions impatient_options() {
  RemoteOptions options = patient_options();
  options.retry_time = milliseconds{200};
  options.first_answer_time = milliseconds{50};
  return options;
}

Bytes content(std::uint64_t number, std::size_t size = 1000) { return random_bytes(number, size); }

class RestBackendTest : public ::testing::Test {
 protected:
  std::string url() const { return proxy_.url() + "/repo"; }
  std::unique_ptr<Backend> make() {
    auto backend = create_rest_backend(url(), patient_options(timeout_));
    backend->write(config_name(), content(0));
    backend->barrier();
    return backend;
  }
  Bytes stored(Backend& backend, const ObjectName& name, std::size_t size = 1000) {
    Bytes bytes(size);
    backend.read(name, 0, bytes);
    return bytes;
  }
  std::size_t requests(const std::string& method, const std::string& part) const {
    const auto seen = proxy_.seen();
    return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [&](const auto& each) {
      return each.method == method && each.target.find(part) != std::string::npos;
    }));
  }

  RestServer server_;
  FaultProxy proxy_{server_.socket()};
  milliseconds timeout_ = kLongerThanAnyAnswer;
};

class RestFault : public RestBackendTest, public ::testing::WithParamInterface<NetworkFault> {
 protected:
  RestFault() {
    if (is_stall()) timeout_ = milliseconds{1'000};
  }
  static bool is_stall() {
    return GetParam() == NetworkFault::stall || GetParam() == NetworkFault::stalled_answer;
  }
  /// How often in a row: a stall is waited for.
  static int times() { return is_stall() ? 1 : 3; }
};
INSTANTIATE_TEST_SUITE_P(Faults, RestFault, ::testing::ValuesIn(kAllNetworkFaults),
                         [](const auto& each) { return std::string{to_string(each.param)}; });

TEST_P(RestFault, ComesThroughEveryCall) {
  const auto backend = make();
  const std::size_t large = 3 << 20;
  ObjectName pack;
  ObjectName record;
  struct Step {
    const char* method;
    const char* target;
    std::function<void()> run;
  };
  const Step steps[] = {
      {"POST", "/data/",
       [&] { pack = write_object(*backend, ObjectType::pack, content(1, large)); }},
      {"POST", "/index/",
       [&] {
         record = write_object(*backend, ObjectType::index, content(2));
         backend->barrier();
       }},
      {"HEAD", "/data/", [&] { EXPECT_EQ(backend->stat(pack)->stored_bytes, large); }},
      {"GET", "/data/", [&] { EXPECT_TRUE(stored(*backend, pack, large) == content(1, large)); }},
      {"GET", "/index/", [&] { EXPECT_EQ(stored(*backend, record), content(2)); }},
      {"GET", "/data/",
       [&] {
         int count = 0;
         backend->list(ObjectType::pack, [&](const backends::ObjectInfo& info) {
           ++count;
           EXPECT_EQ(info.name, pack);
           EXPECT_EQ(info.stored_bytes, large);
         });
         EXPECT_EQ(count, 1);
       }},
      {"HEAD", "/snapshots/",
       [&] {
         EXPECT_FALSE(backend->stat({ObjectType::snapshot, pack.id}));
       }},
      {"DELETE", "/data/", [&] { backend->remove(pack); }},
  };
  for (const Step& step : steps) {
    const std::uint64_t before = proxy_.faults();
    proxy_.order(GetParam(), step.method, step.target, times());
    EXPECT_NO_THROW(step.run()) << step.method << " " << step.target;
    EXPECT_GE(proxy_.faults(), before + 1) << step.method << " " << step.target;
    ASSERT_EQ(proxy_.outlasted_stalls(), 0U) << "it would have waited for ever";
  }
  proxy_.order(NetworkFault::none);
  EXPECT_FALSE(backend->stat(pack));
  EXPECT_EQ(stored(*open_rest_backend(url(), patient_options()), record), content(2));
}

/// A pack of two blocks, and what a plan makes of the second one.
struct CompactionExample {
  CompactionExample() {
    const Bytes first = content(1, 300);
    const Bytes second = content(2, 400);
    append(source, format::pack_header(format::PackKind::data, content(3, 16)));
    append(source, first);
    append(source, second);
    append(source, format::pack_tail({300, 400}));
    const Bytes header = format::pack_header(format::PackKind::data, content(4, 16));
    append(made, header);
    append(made, second);
    append(made, format::pack_tail({400}));
    plan.operation.fill(std::byte{7});
    backends::CompactedPack& pack = plan.packs.emplace_back();
    std::copy(header.begin(), header.end(), pack.header.begin());
    pack.sources.push_back({PackId{sha256(source)}, {{format::kPackHeaderBytes + 300, 400}}});
  }

  Bytes source;
  Bytes made;
  backends::CompactionPlan plan;
};

TEST_P(RestFault, ACompactionComesThroughAndIsDoneOnce) {
  const CompactionExample example;
  const auto backend = make();
  write_object(*backend, ObjectType::pack, example.source);
  proxy_.order(GetParam(), "POST", "/api/v1/compact/repo", times());
  const auto answer = backend->services()->compact(example.plan);
  ASSERT_TRUE(answer);
  EXPECT_GE(proxy_.faults(), 1U);
  ASSERT_EQ(answer->packs.size(), 1U);
  ASSERT_TRUE(answer->packs[0]);
  EXPECT_EQ(answer->packs[0]->id, PackId{sha256(example.made)});
  EXPECT_EQ(answer->packs[0]->stored_bytes, example.made.size());
  EXPECT_TRUE(answer->damaged.empty());
  proxy_.order(NetworkFault::none);
  const ObjectName name = format::pack_name(answer->packs[0]->id);
  EXPECT_EQ(stored(*backend, name, example.made.size()), example.made);
  int packs = 0;
  backend->list(ObjectType::pack, [&](const backends::ObjectInfo&) { ++packs; });
  EXPECT_EQ(packs, 2);
}

TEST_F(RestBackendTest, ADamagedSourceOfACompactionIsNamed) {
  const CompactionExample example;
  const auto backend = make();
  const ObjectName source = write_object(*backend, ObjectType::pack, example.source);
  const std::string path = server_.data() + "/repo/" + source.path();
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  write_all_at(open_file(path, O_WRONLY).get(), Bytes(1), 50, path);
  const auto answer = backend->services()->compact(example.plan);
  ASSERT_TRUE(answer);
  ASSERT_EQ(answer->packs.size(), 1U);
  EXPECT_FALSE(answer->packs[0]);
  EXPECT_EQ(answer->damaged, std::vector{PackId{source.id.bytes()}});
}

TEST_F(RestBackendTest, WhereThereIsNoCompactionAnotherWayIsLeft) {
  const CompactionExample example;
  const auto backend = make();
  EXPECT_FALSE(backend->services()->compact(example.plan)) << "the source is not there";
  write_object(*backend, ObjectType::pack, example.source);
  RemoteOptions options = patient_options();
  options.token = server_.make_token("append", "repo");
  server_.kill();
  server_.start();
  EXPECT_FALSE(open_rest_backend(url(), options)->services()->compact(example.plan));
  for (const char* const status :
       {"400 Bad Request", "403 Forbidden", "404 Not Found", "405 Method Not Allowed",
        "413 Content Too Large", "422 Unprocessable Content", "501 Not Implemented"}) {
    proxy_.answer_with(fmt::format("HTTP/1.1 {}\r\nContent-Length: 0\r\n\r\n", status), "POST");
    EXPECT_FALSE(backend->services()->compact(example.plan)) << status;
    proxy_.answer_no_more();
  }
  EXPECT_TRUE(backend->services()->compact(example.plan));
  proxy_.hide_extensions(false);
  EXPECT_FALSE(open_rest_backend(url(), patient_options())->services()->compact(example.plan))
      << "another server";
}

TEST_F(RestBackendTest, ACompactionThatCannotBeMadeSaysWhy) {
  const CompactionExample example;
  make();
  const auto backend = open_rest_backend(url(), impatient_options());
  EXPECT_TRUE(backend->stat(config_name()));
  const auto error_with = [&](const char* reply) {
    proxy_.answer_with(reply, "POST");
    return error_of([&] { return backend->services()->compact(example.plan); });
  };
  EXPECT_EQ(error_with("HTTP/1.1 507 Insufficient Storage\r\nContent-Length: 0\r\n\r\n"),
            "no_space");
  EXPECT_EQ(error_with("HTTP/1.1 401 Unauthorized\r\nContent-Length: 0\r\n\r\n"), "denied");
  EXPECT_EQ(
      error_with("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"),
      "unavailable");
  for (const char* const text :
       {"", "{}", "[]", "null", R"({"packs":[],"damaged":[]})",
        R"({"packs":[{"id":"abc","bytes":1}],"damaged":[]})", R"({"packs":[7],"damaged":[]})",
        R"({"packs":[null],"damaged":7})"}) {
    const std::string reply = fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}",
                                          std::string_view{text}.size(), text);
    EXPECT_EQ(error_with(reply.c_str()), "unavailable") << text;
  }
}

TEST_P(RestFault, EndsWithAnErrorThatSaysSoWhenItDoesNotEnd) {
  const auto backend = open_rest_backend(url(), impatient_options());
  create_rest_backend(url(), patient_options());
  proxy_.order(GetParam(), "POST", "/index/", -1);
  write_object(*backend, ObjectType::index, content(2));
  if (GetParam() == NetworkFault::twice) return backend->barrier();
  const Error error = thrown_by([&] { backend->barrier(); });
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_THAT(error.message(), AllOf(HasSubstr(url()), HasSubstr("storing index/"),
                                     Not(HasSubstr(RestServer::kToken))));
  // A store that was away takes it up again.
  proxy_.order(NetworkFault::none);
  EXPECT_NO_THROW(backend->barrier());
}

TEST_F(RestBackendTest, AsksForTheRestOfADownloadThatBrokeOff) {
  const auto backend = make();
  const std::size_t size = 4 << 20;
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1, size));
  proxy_.order(NetworkFault::truncated, "GET", "/data/", 2);
  EXPECT_TRUE(stored(*backend, pack, size) == content(1, size));
  std::vector<std::string> ranges;
  for (const SeenRequest& request : proxy_.seen()) {
    if (request.method != "GET" || request.target.find("/data/") == std::string::npos) continue;
    const std::size_t at = request.header.find("Range: bytes=") + 13;
    ranges.push_back(request.header.substr(at, request.header.find('-', at) - at));
  }
  ASSERT_EQ(ranges.size(), 3U);
  EXPECT_EQ(ranges[0], "0");
  // Half of it came each time (but for half of the header).
  EXPECT_NEAR(std::stod(ranges[1]), static_cast<double>(size) / 2, 1000);
  EXPECT_NEAR(std::stod(ranges[2]), static_cast<double>(size) * 3 / 4, 1000);
}

TEST_F(RestBackendTest, ADownloadThatComesInPiecesIsNotGivenUp) {
  const std::size_t size = 4 << 20;
  const ObjectName pack = write_object(*make(), ObjectType::pack, content(1, size));
  // The pauses of eight failures in a row would be longer, if nothing came between them.
  RemoteOptions options = patient_options();
  options.first_pause = milliseconds{10};
  options.retry_time = milliseconds{50};
  const auto backend = open_rest_backend(url(), options);
  EXPECT_TRUE(backend->stat(pack));
  proxy_.order(NetworkFault::truncated, "GET", "/data/", 8);
  EXPECT_TRUE(stored(*backend, pack, size) == content(1, size));
}

TEST_F(RestBackendTest, WhatWasDamagedOnTheWayIsSentAgain) {
  const auto backend = make();
  // The server says that these are not the bytes that the name promises; but they are.
  proxy_.answer_with("HTTP/1.1 400 Bad\r\nContent-Length: 0\r\n\r\n", "POST");
  std::jthread mend{[&] {
    std::this_thread::sleep_for(milliseconds{100});
    proxy_.answer_no_more();
  }};
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  EXPECT_EQ(stored(*backend, pack), content(1));
}

TEST_F(RestBackendTest, WaitsAsLongAsTheServerAsks) {
  const auto backend = make();
  proxy_.answer_with("HTTP/1.1 503 Wait\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n");
  std::jthread mend{[&] {
    std::this_thread::sleep_for(milliseconds{300});
    proxy_.answer_no_more();
  }};
  const std::size_t before = requests("HEAD", "/snapshots/");
  EXPECT_FALSE(backend->stat({ObjectType::snapshot, ObjectId{sha256(content(1))}}));
  EXPECT_EQ(requests("HEAD", "/snapshots/"), before + 2) << "it asked before the time was over";
}

TEST_F(RestBackendTest, WaitsUntilTheServersDate) {
  const auto backend = make();
  const std::time_t then = std::time(nullptr) + 2;
  std::tm parts{};
  ::gmtime_r(&then, &parts);
  char date[40];
  std::strftime(date, sizeof date, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  proxy_.answer_with(
      fmt::format("HTTP/1.1 503 Wait\r\nRetry-After: {}\r\nContent-Length: 0\r\n\r\n", date));
  std::jthread mend{[&] {
    std::this_thread::sleep_for(milliseconds{300});
    proxy_.answer_no_more();
  }};
  const std::size_t before = requests("HEAD", "/snapshots/");
  EXPECT_FALSE(backend->stat({ObjectType::snapshot, ObjectId{sha256(content(1))}}));
  EXPECT_EQ(requests("HEAD", "/snapshots/"), before + 2) << "it asked before that time";
}

TEST_F(RestBackendTest, GivesUpWhenTheServerAsksForLongerThanItsPatience) {
  make();
  const auto backend = open_rest_backend(url(), impatient_options());
  proxy_.answer_with("HTTP/1.1 429 Wait\r\nRetry-After: 3000\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(thrown_by([&] { backend->stat(config_name()); }).code(), ErrorCode::unavailable);
}

TEST_F(RestBackendTest, TellsSoonThatNobodyListens) {
  const auto backend = open_rest_backend("http://127.0.0.1:1/repo", impatient_options());
  const Error error = thrown_by([&] { backend->stat(config_name()); });
  EXPECT_EQ(error.code(), ErrorCode::unavailable);
  EXPECT_THAT(error.hint(), HasSubstr("address"));
}

TEST_F(RestBackendTest, AStopEndsTheWaiting) {
  std::stop_source stop;
  RemoteOptions options = patient_options();
  options.stop = stop.get_token();
  options.first_pause = milliseconds{20'000};
  options.first_answer_time = milliseconds{25'000};
  const auto backend = open_rest_backend("http://127.0.0.1:1/repo", options);
  std::jthread stopper{[&] {
    std::this_thread::sleep_for(milliseconds{50});
    stop.request_stop();
  }};
  EXPECT_EQ(thrown_by([&] { backend->stat(config_name()); }).code(), ErrorCode::interrupted);
}

TEST_F(RestBackendTest, ALostServerComesBack) {
  const auto backend = make();
  server_.kill();
  std::jthread restart{[&] {
    std::this_thread::sleep_for(milliseconds{300});
    server_.start();
  }};
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  EXPECT_EQ(stored(*backend, pack), content(1));
}

TEST_F(RestBackendTest, AVanishedRepositoryIsNoAbsence) {
  const auto backend = make();
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  // Another server, a disk that is not mounted: all is "404".
  proxy_.answer_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n");
  EXPECT_EQ(thrown_by([&] { backend->stat(pack); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(thrown_by([&] { stored(*backend, pack); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(thrown_by([&] { backend->remove(pack); }).code(), ErrorCode::unavailable);
  EXPECT_EQ(thrown_by([&] { backend->list(ObjectType::pack, [](const auto&) {}); }).code(),
            ErrorCode::unavailable);
  EXPECT_EQ(thrown_by([&] { backend->write(pack, content(1)); }).code(), ErrorCode::unavailable);
}

TEST_F(RestBackendTest, AListThatAnotherServerCouldNotMakeIsMadeAgain) {
  proxy_.hide_extensions(false);
  const auto backend = make();
  write_object(*backend, ObjectType::pack, content(1));
  ASSERT_TRUE(backend->stat(config_name()));
  // restic's rest-server, where an upload ends or a lock goes while it lists.
  proxy_.answer_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "GET");
  std::jthread recover{[&] {
    std::this_thread::sleep_for(milliseconds{300});
    proxy_.answer_no_more();
  }};
  int packs = 0;
  backend->list(ObjectType::pack, [&](const auto&) { ++packs; });
  EXPECT_EQ(packs, 1);
}

TEST_F(RestBackendTest, AnAddressWhereNoRepositoryCanBeSaysSo) {
  const Error error =
      thrown_by([&] { create_rest_backend(proxy_.url() + "/a/b/c", patient_options(timeout_)); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.hint(), HasSubstr("one or two names"));
}

TEST_F(RestBackendTest, AnEmptyListOfAVanishedRepositoryIsNone) {
  const auto backend = open_rest_backend(url(), patient_options());
  // rclone lists nothing where there is nothing.
  proxy_.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "GET");
  proxy_.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\n", "HEAD");
  EXPECT_NO_THROW(backend->list(ObjectType::pack, [](const auto&) {}));
  EXPECT_TRUE(backend->stat(config_name()));
  proxy_.answer_with("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "HEAD");
  EXPECT_EQ(thrown_by([&] { backend->list(ObjectType::pack, [](const auto&) {}); }).code(),
            ErrorCode::unavailable);
  EXPECT_FALSE(backend->stat(config_name())) << "that there is none is for its caller to judge";
}

TEST_F(RestBackendTest, APageOfAProxyIsNoList) {
  make();
  const auto backend = open_rest_backend(url(), impatient_options());
  backend->stat(config_name());
  proxy_.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>");
  EXPECT_EQ(thrown_by([&] { backend->list(ObjectType::pack, [](const auto&) {}); }).code(),
            ErrorCode::unavailable);
}

TEST_F(RestBackendTest, AServerThatIgnoresRangesIsReadAllTheSame) {
  const auto backend = make();
  proxy_.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n0123456789");
  Bytes out(3);
  backend->read({ObjectType::pack, ObjectId{sha256(content(1))}}, 4, out);
  EXPECT_EQ(text_of(out), "456");
  const Error error = thrown_by([&] {
    backend->read({ObjectType::pack, ObjectId{sha256(content(1))}}, 8, out);
  });
  EXPECT_EQ(error.code(), ErrorCode::corrupt);
}

TEST_F(RestBackendTest, WhatCameWholeIsNotAskedForAgain) {
  const auto backend = open_rest_backend(url(), patient_options(milliseconds{1'000}));
  // It promises more than a part has, and says no more.
  proxy_.answer_with(
      "HTTP/1.1 206 Part\r\nContent-Range: bytes 4-6/10\r\nContent-Length: 9\r\n\r\n456");
  Bytes out(3);
  backend->read({ObjectType::pack, ObjectId{sha256(content(1))}}, 4, out);
  EXPECT_EQ(text_of(out), "456");
  EXPECT_EQ(requests("GET", "/data/"), 1U);
}

TEST_F(RestBackendTest, AnotherPartThanWasAskedForIsNotTaken) {
  make();
  const auto backend = open_rest_backend(url(), impatient_options());
  backend->stat(config_name());
  proxy_.answer_with(
      "HTTP/1.1 206 Part\r\nContent-Range: bytes 0-2/10\r\nContent-Length: 3\r\n\r\n012");
  Bytes out(3);
  EXPECT_EQ(thrown_by([&] {
              backend->read({ObjectType::pack, ObjectId{sha256(content(1))}}, 4, out);
            }).code(),
            ErrorCode::unavailable);
}

TEST_F(RestBackendTest, ARedirectionIsNotFollowed) {
  const auto backend = open_rest_backend(url(), impatient_options());
  proxy_.answer_with(
      "HTTP/1.1 301 Moved\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n");
  const Error error = thrown_by([&] { backend->stat(config_name()); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message(), HasSubstr("another address"));
}

TEST_F(RestBackendTest, AWrongTokenIsDeniedAndNeverShown) {
  RemoteOptions options = patient_options();
  options.token = "a-wrong-secret";
  for (const char* user : {"", "joe"}) {
    options.user = user;
    const auto backend = open_rest_backend(url(), options);
    const Error error = thrown_by([&] { backend->stat(config_name()); });
    EXPECT_EQ(error.code(), ErrorCode::denied);
    EXPECT_THAT(error.message() + error.hint(),
                AllOf(HasSubstr("token"), Not(HasSubstr("secret"))));
    EXPECT_EQ(requests("HEAD", "config"), user[0] == 0 ? 1U : 2U) << "it was tried again";
  }
  options.token.clear();
  const auto backend = open_rest_backend(url(), options);
  EXPECT_THAT(thrown_by([&] { backend->stat(config_name()); }).hint(),
              HasSubstr("VGERFS_REST_TOKEN"));
}

TEST_F(RestBackendTest, AServerThatRepeatsTheTokenDoesNotGetItIntoMessages) {
  RemoteOptions options = impatient_options();
  options.user = "joe";
  const auto backend = open_rest_backend(url(), options);
  const std::string text =
      std::string{"you sent "} + RestServer::kToken + " as am9lOnRoZS10b2tlbi1vZi10aGUtdGVzdHM=";
  for (const int status : {400, 403, 418, 500}) {
    proxy_.answer_with(
        fmt::format("HTTP/1.1 {} No\r\nContent-Length: {}\r\n\r\n{}", status, text.size(), text));
    const Error error = thrown_by([&] { backend->list(ObjectType::key, [](const auto&) {}); });
    EXPECT_THAT(error.message() + error.hint(),
                AllOf(Not(HasSubstr(RestServer::kToken)), Not(HasSubstr("am9lOnRo"))));
  }
}

TEST_F(RestBackendTest, ANameAndATokenAreBasic) {
  make();
  RemoteOptions options = patient_options();
  options.user = "joe";
  EXPECT_TRUE(open_rest_backend(url(), options)->stat(config_name()));
  EXPECT_THAT(proxy_.seen().back().header,
              HasSubstr("Authorization: Basic am9lOnRoZS10b2tlbi1vZi10aGUtdGVzdHM="));
}

TEST_F(RestBackendTest, RolesDecide) {
  const auto admin = make();
  const ObjectName pack = write_object(*admin, ObjectType::pack, content(1));
  RemoteOptions options = patient_options();
  options.token = server_.make_token("append", "repo");
  server_.kill();
  server_.start();
  const auto appender = open_rest_backend(url(), options);
  const ObjectName own = write_object(*appender, ObjectType::pack, content(2));
  const ObjectName lock = write_object(*appender, ObjectType::lock, content(3));
  appender->barrier();
  EXPECT_NO_THROW(appender->remove(lock));
  EXPECT_EQ(thrown_by([&] { appender->remove(pack); }).code(), ErrorCode::denied);
  EXPECT_EQ(thrown_by([&] { appender->remove(own); }).code(), ErrorCode::denied);
  EXPECT_NO_THROW(appender->remove({ObjectType::pack, ObjectId{sha256(content(9))}}))
      << "what is absent is removed";
  const ObjectName dropped = write_object(*appender, ObjectType::index, content(4));
  EXPECT_NO_THROW(appender->remove(dropped)) << "what was never sent is only forgotten";
  EXPECT_NO_THROW(appender->barrier());
  EXPECT_FALSE(admin->stat(dropped));
}

TEST_F(RestBackendTest, OtherContentOnTheServerIsAConflictAlsoOfTheSameSize) {
  const auto backend = make();
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  // Damaged behind the server's back: the name still says what is right.
  const std::string path = server_.data() + "/repo/" + pack.path();
  std::filesystem::permissions(path, std::filesystem::perms::owner_all);
  {
    const Fd file = open_file(path, O_WRONLY);
    write_all(file.get(), content(2), path);
  }
  EXPECT_EQ(thrown_by([&] { backend->write(pack, content(1)); }).code(), ErrorCode::exists);
}

TEST_F(RestBackendTest, AServerMayRefuseWhatIsThereAlready) {
  proxy_.hide_extensions(false);
  const auto backend = make();
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  // restic's rest-server answers so, also when the same is sent again because an answer was lost.
  proxy_.answer_with("HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n", "POST");
  EXPECT_NO_THROW(backend->write(pack, content(1)));
  const ObjectName absent{ObjectType::pack, ObjectId{sha256(content(2))}};
  EXPECT_EQ(thrown_by([&] { backend->write(absent, content(2)); }).code(), ErrorCode::denied);
  const std::string path = server_.data() + "/repo/" + pack.path();
  {
    const Fd file = open_file(path, O_WRONLY);
    write_all(file.get(), content(2), path);
  }
  EXPECT_EQ(thrown_by([&] { backend->write(pack, content(1)); }).code(), ErrorCode::exists)
      << "the same size is not the same object";
}

TEST_F(RestBackendTest, ABarrierSendsReferencesAfterTheirTargets) {
  const auto backend = create_rest_backend(url(), patient_options());
  for (const ObjectType type : {ObjectType::config, ObjectType::snapshot, ObjectType::key,
                                ObjectType::index, ObjectType::lock, ObjectType::pack}) {
    write_object(*backend, type, content(1));
  }
  backend->barrier();
  std::string order;
  for (const SeenRequest& request : proxy_.seen()) {
    if (request.method != "POST" || request.target.find('?') != std::string::npos) continue;
    order += request.target.substr(6, request.target.find('/', 6) - 6) + " ";
  }
  EXPECT_EQ(order, "data locks index keys snapshots config ");
}

TEST(RestBackendQuota, AFullQuotaIsNoSpace) {
  RestServer server{"quota_bytes = 20000"};
  const auto backend = create_rest_backend(server.unix_url(), patient_options());
  write_object(*backend, ObjectType::pack, content(1, 15'000));
  const Error error =
      thrown_by([&] { write_object(*backend, ObjectType::pack, content(2, 15'000)); });
  EXPECT_EQ(error.code(), ErrorCode::no_space);
  EXPECT_THAT(error.hint(), HasSubstr("compact"));
}

TEST_F(RestBackendTest, RefusesToMakeARepositoryWhereOneIs) {
  make();
  EXPECT_EQ(thrown_by([&] { create_rest_backend(url(), patient_options()); }).code(),
            ErrorCode::exists);
  EXPECT_EQ(thrown_by([&] {
              const auto backend = create_rest_backend(proxy_.url() + "/two", patient_options());
              write_object(*backend, ObjectType::key, content(1));
              backend->barrier();
              create_rest_backend(proxy_.url() + "/two", patient_options());
            }).code(),
            ErrorCode::exists)
      << "a key without its config";
}

TEST_F(RestBackendTest, ShowsTheServersTimesAsTheDirectoryHasThem) {
  const auto backend = make();
  const ObjectName pack = write_object(*backend, ObjectType::pack, content(1));
  struct stat status {};
  ASSERT_EQ(::stat((server_.data() + "/repo/" + pack.path()).c_str(), &status), 0);
  const Timestamp modified{status.st_mtim.tv_sec,
                           static_cast<std::uint32_t>(status.st_mtim.tv_nsec)};
  EXPECT_TRUE(backend->capabilities().store_clock);
  EXPECT_EQ(backend->stat(pack)->stored_at, modified);
  backend->list(ObjectType::pack,
                [&](const backends::ObjectInfo& info) { EXPECT_EQ(info.stored_at, modified); });
}

TEST_F(RestBackendTest, AServerWithoutOurExtensionHasNoTimes) {
  const auto backend = open_rest_backend(url(), patient_options());
  const std::string id = ObjectId{sha256(content(1))}.hex();
  const std::string list = fmt::format(R"([{{"name":"{}","size":7}}])", id);
  proxy_.answer_with(
      fmt::format("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", list.size(), list), "GET");
  proxy_.answer_with("HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n", "HEAD");
  int count = 0;
  backend->list(ObjectType::pack, [&](const backends::ObjectInfo& info) {
    ++count;
    EXPECT_EQ(info.stored_bytes, 7U);
    EXPECT_FALSE(info.stored_at);
  });
  EXPECT_EQ(count, 1);
  EXPECT_FALSE(backend->capabilities().store_clock);
}

TEST_F(RestBackendTest, KeepsToABandwidth) {
  RemoteOptions options = patient_options();
  create_rest_backend(url(), options);
  options.upload_bytes_per_s = 1 << 20;
  options.download_bytes_per_s = 2 << 20;
  const auto backend = open_rest_backend(url(), options);
  const auto seconds = [](const auto& action) {
    const auto begin = std::chrono::steady_clock::now();
    action();
    return std::chrono::duration<double>{std::chrono::steady_clock::now() - begin}.count();
  };
  ObjectName name;
  // Two at a time share the limit; stalls are counted from the last byte, not from the pause.
  EXPECT_GE(seconds([&] {
              std::jthread other{
                  [&] { write_object(*backend, ObjectType::pack, content(2, 512 << 10)); }};
              name = write_object(*backend, ObjectType::pack, content(1, 512 << 10));
            }),
            0.8);
  EXPECT_GE(seconds([&] { stored(*backend, name, 512 << 10); }), 0.2);
}

TEST_F(RestBackendTest, AWaitForTheBandwidthIsNoStall) {
  make();
  const std::size_t size = 48 << 10;
  RemoteOptions options = patient_options();
  const ObjectName pack =
      write_object(*open_rest_backend(url(), options), ObjectType::pack, content(1, size));
  // libcurl hands over 16 KiB at a time: each is half a second's worth, the stall time-out is less.
  options.download_bytes_per_s = 32 << 10;
  EXPECT_TRUE(stored(*open_rest_backend(url(), options), pack, size) == content(1, size));
  EXPECT_EQ(requests("GET", "/data/"), 1U);
}

TEST_F(RestBackendTest, WhatIsNotSentYetHasTheServersTime) {
  const auto backend = open_rest_backend(url(), patient_options());
  proxy_.answer_with(
      "HTTP/1.1 404 No\r\nVgerfs-Api: 1\r\nDate: Sun, 06 Nov 1994 08:49:37 GMT\r\n"
      "Content-Length: 0\r\n\r\n");
  EXPECT_FALSE(backend->stat(config_name()));
  const ObjectName record = write_object(*backend, ObjectType::index, content(1));
  const auto info = backend->stat(record);
  ASSERT_TRUE(info && info->stored_at);
  EXPECT_NEAR(static_cast<double>(info->stored_at->s), 784'111'777, 60) << "this machine's clock";
}

TEST_F(RestBackendTest, AnInterimAnswerIsNotTheAnswer) {
  const auto backend = open_rest_backend(url(), impatient_options());
  proxy_.answer_with(
      "HTTP/1.1 100 Continue\r\nContent-Length: 3\r\n\r\n"
      "HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
  EXPECT_FALSE(backend->stat(config_name()));
}

TEST_F(RestBackendTest, WhatNoSecondTryMendsIsNotTriedAgain) {
  const TemporaryDirectory directory;
  RemoteOptions options = patient_options();
  options.ca_file = directory / "ca.pem";
  { write_all(open_file(options.ca_file, O_WRONLY | O_CREAT, 0600).get(), content(1), "it"); }
  std::stop_source stop;
  stop.request_stop();  // so that waiting for a second try would end otherwise
  options.stop = stop.get_token();
  const auto backend = open_rest_backend("https" + url().substr(4), options);
  EXPECT_EQ(thrown_by([&] { backend->stat(config_name()); }).code(), ErrorCode::usage);
}

TEST_F(RestBackendTest, APageOfAProxyIsNotShown) {
  const auto backend = open_rest_backend(url(), impatient_options());
  proxy_.answer_with("HTTP/1.1 403 No\r\nContent-Length: 21\r\n\r\n<html>a page</html>\r\n");
  const Error error = thrown_by([&] { backend->list(ObjectType::pack, [](const auto&) {}); });
  EXPECT_EQ(error.code(), ErrorCode::denied);
  EXPECT_THAT(error.message(), Not(HasSubstr("page")));
}

TEST(RestBackend, RefusesATokenThatWouldBeMoreThanOneHeader) {
  RemoteOptions options;
  options.token = "secret\r\nX-Other: header";
  const Error error = thrown_by([&] { open_rest_backend("https://h/r", options); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message(), Not(HasSubstr("secret")));
}

TEST(RestBackend, RefusesCleartextToOtherMachines) {
  EXPECT_EQ(thrown_by([] { open_rest_backend("http://backup.example.com/r", {}); }).code(),
            ErrorCode::usage);
  RemoteOptions options;
  options.allow_insecure = true;
  EXPECT_NO_THROW(open_rest_backend("http://backup.example.com/r", options));
  EXPECT_NO_THROW(open_rest_backend("https://backup.example.com/r", {}));
  for (const char* local : {"http://localhost/r", "http://127.3.2.1:80/r", "http://[::1]:80/r",
                            "http+unix:///run/x.sock:/r"}) {
    EXPECT_NO_THROW(open_rest_backend(local, {})) << local;
  }
}

TEST(RestBackend, NamesAFileThatItCannotRead) {
  RemoteOptions options;
  options.ca_file = "/nowhere/ca.pem";
  const Error error = thrown_by([&] { open_rest_backend("https://h/r", options); });
  EXPECT_EQ(error.code(), ErrorCode::usage);
  EXPECT_THAT(error.message(), HasSubstr("/nowhere/ca.pem"));
}

}  // namespace
}  // namespace vgerfs::testing
