// Lists that follow a server's history instead of being asked for in full, and what a client
// notices when the server tells another one.
#include "backends/rest_lists.h"

#include <algorithm>
#include <filesystem>
#include <memory>
#include <set>
#include <string>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/rest_backend.h"
#include "base/error.h"
#include "fault_proxy.h"
#include "rest_server.h"

namespace vgerfs::testing {
namespace {

using backends::Backend;
using backends::Continuity;
using backends::open_rest_backend;
using backends::RestChanges;
using format::ChainHead;
using format::ObjectName;
using format::ObjectType;

backends::RemoteOptions options() {
  backends::RemoteOptions options;
  options.token = RestServer::kToken;
  options.first_pause = std::chrono::milliseconds{1};
  options.retry_time = std::chrono::milliseconds{3'000};  // a list that is none is asked for again
  return options;
}

class RestListsTest : public ::testing::Test {
 protected:
  RestListsTest() {
    writer_ = backends::create_rest_backend(server_url(), options());
    write(ObjectType::index, "first");
    reader_ = open_rest_backend(proxy_.url() + "/repo", options());
  }
  std::string server_url() const { return server_.unix_url(); }
  ObjectName write(ObjectType type, const std::string& text) {
    const ObjectName name = backends::write_object(*writer_, type, bytes_of(text));
    writer_->barrier();
    return name;
  }
  static std::set<ObjectName> listed(Backend& backend, ObjectType type = ObjectType::index) {
    std::set<ObjectName> names;
    backend.list(type, [&](const backends::ObjectInfo& info) {
      EXPECT_TRUE(info.stored_at);
      EXPECT_GT(info.stored_bytes, 0U);
      EXPECT_TRUE(names.insert(info.name).second);
    });
    return names;
  }
  std::size_t requests(const std::string& part) const {
    const auto seen = proxy_.seen();
    return static_cast<std::size_t>(std::count_if(seen.begin(), seen.end(), [&](const auto& each) {
      return each.target.find(part) != std::string::npos;
    }));
  }
  std::optional<backends::StoreHistory> history_after_list(const std::optional<ChainHead>& known) {
    const auto backend = open_rest_backend(server_url(), options());
    listed(*backend);
    return backend->services()->history(known);
  }

  RestServer server_;
  FaultProxy proxy_{server_.socket()};
  std::unique_ptr<Backend> writer_;
  std::unique_ptr<Backend> reader_;
};

TEST_F(RestListsTest, AListIsAskedForOnceAndFollowedThen) {
  std::set<ObjectName> expected = listed(*reader_);
  EXPECT_EQ(expected.size(), 1U);
  const ObjectName second = write(ObjectType::index, "second");
  write(ObjectType::snapshot, "of another type");
  write(ObjectType::pack, "a pack");
  expected.insert(second);
  EXPECT_EQ(listed(*reader_), expected);
  writer_->remove(*expected.begin());
  expected.erase(expected.begin());
  EXPECT_EQ(listed(*reader_), expected);
  EXPECT_EQ(listed(*reader_), expected);
  EXPECT_EQ(requests("/repo/index/"), 1U);
  EXPECT_EQ(requests("/api/v1/changes/repo?since="), 3U);
}

TEST_F(RestListsTest, FollowsThroughManyAnswers) {
  listed(*reader_);
  for (int i = 0; i < 30; ++i) write(ObjectType::index, "record " + std::to_string(i));
  EXPECT_EQ(listed(*reader_), listed(*writer_));
  EXPECT_EQ(listed(*reader_).size(), 31U);
}

TEST_F(RestListsTest, WithoutAHistoryItListsEachTime) {
  proxy_.hide_extensions(false);
  const auto plain = open_rest_backend(proxy_.url() + "/repo", options());
  for (int i = 0; i < 2; ++i) {
    std::size_t count = 0;
    plain->list(ObjectType::index, [&](const backends::ObjectInfo&) { ++count; });
    EXPECT_EQ(count, 1U);
  }
  EXPECT_EQ(requests("/repo/index/"), 2U);
  EXPECT_FALSE(plain->services()->history(std::nullopt));
}

TEST_F(RestListsTest, AForgedHistoryIsNotFollowed) {
  const auto expected = listed(*reader_);
  // Says that the record is gone, with a hash that is not the chain's.
  const std::string text = fmt::format(
      R"({{"changes":[{{"sequence":2,"change":"removed","type":"index","name":"{}","bytes":5,)"
      R"("stored_at_ns":0,"at":0,"token":"x"}}],"last":{{"sequence":2,"hash":"{}"}},)"
      R"("head":{{"sequence":2,"hash":"{}"}}}})",
      expected.begin()->id.hex(), std::string(64, 'a'), std::string(64, 'a'));
  bool is_asked = false;
  proxy_.decide([&](const SeenRequest& request) {
    is_asked = is_asked || request.target.find("/changes/") != std::string::npos;
    return NetworkFault::none;
  });
  proxy_.answer_with(fmt::format("HTTP/1.1 200 OK\r\nVgerfs-Api: 1\r\nContent-Length: {}\r\n\r\n{}",
                                 text.size(), text),
                     "GET");
  // The forged answer, then a list, which is none.
  EXPECT_THROW(listed(*reader_), Error);
  EXPECT_TRUE(is_asked);
  proxy_.answer_no_more();
  EXPECT_EQ(listed(*reader_), expected);
}

TEST_F(RestListsTest, AHeadTellsWhetherTheHistoryGoesOn) {
  const auto begin = history_after_list(std::nullopt);
  ASSERT_TRUE(begin);
  EXPECT_EQ(begin->continuity, Continuity::unknown);
  EXPECT_EQ(history_after_list(begin->head)->continuity, Continuity::continues) << "the same";
  write(ObjectType::index, "second");
  write(ObjectType::snapshot, "third");
  const auto later = history_after_list(begin->head);
  EXPECT_EQ(later->continuity, Continuity::continues);
  EXPECT_EQ(later->head.sequence, begin->head.sequence + 2);
  ChainHead other = begin->head;
  other.hash[0] ^= std::byte{1};
  EXPECT_EQ(history_after_list(other)->continuity, Continuity::broken);
  EXPECT_EQ(history_after_list(other)->head, later->head);
}

TEST_F(RestListsTest, AServerThatIsSetBackIsNoticed) {
  namespace fs = std::filesystem;
  const std::string copy = server_.data() + "-copy";
  server_.kill();
  fs::copy(server_.data(), copy, fs::copy_options::recursive);
  server_.start();
  write(ObjectType::index, "after the copy");
  const auto seen = history_after_list(std::nullopt);
  server_.kill();
  fs::remove_all(server_.data());
  fs::rename(copy, server_.data());
  server_.start();
  EXPECT_EQ(history_after_list(seen->head)->continuity, Continuity::broken) << "shorter";
  write(ObjectType::index, "something else");
  write(ObjectType::index, "and more");
  EXPECT_EQ(history_after_list(seen->head)->continuity, Continuity::broken) << "longer again";
}

TEST(RestChangesText, WhatIsNoHistoryIsRefused) {
  const std::string hash(64, 'a');
  const std::string head = R"({"sequence":1,"hash":")" + hash + "\"}";
  const std::string good = R"({"changes":[],"last":)" + head + R"(,"head":)" + head + "}";
  EXPECT_EQ(backends::parse_rest_changes(good).head.sequence, 1U);
  for (const std::string& wrong :
       {std::string{}, std::string{"[]"}, std::string{"{}"}, good + "x",
        R"({"changes":[],"last":)" + head + "}",
        R"({"changes":[{}],"last":)" + head + R"(,"head":)" + head + "}",
        R"({"changes":[],"last":{"sequence":-1,"hash":")" + hash + R"("},"head":)" + head + "}",
        R"({"changes":[],"last":{"sequence":1,"hash":"a"},"head":)" + head + "}"}) {
    EXPECT_THROW(backends::parse_rest_changes(wrong), Error) << wrong;
  }
}

TEST(RestChangesText, LinksMustFollowEachOther) {
  format::StoreChange change{.sequence = 8, .is_added = true, .bytes = 5, .token = "web"};
  const ChainHead before{7, {}};
  const ChainHead after{8, format::link_hash(before.hash, change)};
  EXPECT_TRUE(backends::is_linked(before, RestChanges{{change}, after, after}));
  EXPECT_TRUE(backends::is_linked(before, RestChanges{{}, before, after}));
  EXPECT_FALSE(backends::is_linked(before, RestChanges{{}, after, after}));
  EXPECT_FALSE(backends::is_linked(ChainHead{6, {}}, RestChanges{{change}, after, after}))
      << "a gap";
  change.bytes = 6;
  EXPECT_FALSE(backends::is_linked(before, RestChanges{{change}, after, after}));
}

}  // namespace
}  // namespace vgerfs::testing
