// Leases of the real server as its client uses them, and what a client may do whose lease is over.
#include <atomic>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "backends/rest_backend.h"
#include "backends/store_services.h"
#include "base/error.h"
#include "base/sha256.h"
#include "fault_proxy.h"
#include "rest_server.h"
#include "support/error_of.h"
#include "support/fixed_random.h"

namespace vgerfs::testing {
namespace {

using backends::Backend;
using backends::StoreLease;
using backends::write_object;
using format::ObjectName;
using format::ObjectType;
using ::testing::HasSubstr;

class RestLeaseTest : public ::testing::Test {
 protected:
  RestLeaseTest() {
    backend_ = backends::create_rest_backend(url(), options());
    backend_->write(format::config_name(), bytes_of("config"));
    backend_->barrier();
  }

  std::string url() const { return proxy_.url() + "/repo"; }
  static backends::RemoteOptions options() {
    backends::RemoteOptions options;
    options.token = RestServer::kToken;
    options.first_pause = std::chrono::milliseconds{1};
    return options;
  }
  static ObjectName name_of(std::string_view bytes, ObjectType type) {
    return {type, ObjectId{sha256(bytes_of(bytes))}};
  }
  std::unique_ptr<StoreLease> acquire(std::string_view object, bool is_exclusive = false) {
    return backend_->services()->acquire_lease(
        {.object = bytes_of(object), .is_exclusive = is_exclusive, .ttl_s = 3600});
  }
  /// Somebody else ends it.
  void break_lease(std::string_view object) {
    backends::open_rest_backend(server_.unix_url(), options())
        ->remove(name_of(object, ObjectType::lock));
  }
  bool is_there(std::string_view bytes, ObjectType type) {
    return backends::open_rest_backend(server_.unix_url(), options())
        ->stat(name_of(bytes, type))
        .has_value();
  }

  RestServer server_{"lock_ttl_seconds = 1000"};
  FaultProxy proxy_{server_.socket()};
  std::unique_ptr<Backend> backend_;
};

TEST_F(RestLeaseTest, IsTakenRenewedListedAndGivenBack) {
  const auto lease = acquire("lease");
  ASSERT_TRUE(lease);
  EXPECT_EQ(lease->ttl_s(), 1000U) << "the server's";
  EXPECT_TRUE(lease->renew());
  const auto listed = backend_->services()->leases();
  ASSERT_TRUE(listed);
  ASSERT_EQ(listed->size(), 1U);
  EXPECT_EQ(listed->at(0).id.bytes(), name_of("lease", ObjectType::lock).id.bytes());
  EXPECT_GT(listed->at(0).left_s, 900);
  EXPECT_TRUE(is_there("lease", ObjectType::lock));
  lease->release();
  EXPECT_TRUE(backend_->services()->leases()->empty());
  EXPECT_FALSE(is_there("lease", ObjectType::lock));
}

TEST_F(RestLeaseTest, ALostAnswerMakesNoSecondOne) {
  proxy_.order(NetworkFault::lost_answer, "POST", "/leases/");
  const auto lease = acquire("lease", true);
  ASSERT_TRUE(lease);
  EXPECT_EQ(backend_->services()->leases()->size(), 1U);
  EXPECT_TRUE(lease->renew());
}

TEST_F(RestLeaseTest, AnotherExclusiveOneIsBusyAndSaysWhose) {
  const auto lease = acquire("lease", true);
  const Error error = thrown_by([&] { return acquire("another", true); });
  EXPECT_EQ(error.code(), ErrorCode::busy);
  EXPECT_THAT(error.message(), HasSubstr("token 'configured'"));
  EXPECT_FALSE(error.hint().empty());
  EXPECT_TRUE(acquire("shared"));
}

TEST_F(RestLeaseTest, NothingIsTakenUnderOneThatIsOver) {
  const auto lease = acquire("lease");
  Backend& under = lease->backend();
  write_object(under, ObjectType::pack, bytes_of("pack in time"));
  write_object(under, ObjectType::index, bytes_of("record in time"));
  under.barrier();
  write_object(under, ObjectType::index, bytes_of("record too late"));
  break_lease("lease");
  const Error error = thrown_by([&] { under.barrier(); });
  EXPECT_EQ(error.code(), ErrorCode::busy);
  EXPECT_FALSE(error.hint().empty());
  EXPECT_TRUE(lease->is_over());
  EXPECT_EQ(error_of([&] { under.barrier(); }), "busy") << "and again";
  EXPECT_FALSE(lease->renew());
  EXPECT_TRUE(is_there("record in time", ObjectType::index));
  EXPECT_FALSE(is_there("record too late", ObjectType::index));
}

TEST_F(RestLeaseTest, APackTooLateIsRefusedByTheServer) {
  const auto lease = acquire("lease");
  break_lease("lease");
  EXPECT_EQ(error_of([&] { write_object(lease->backend(), ObjectType::pack, bytes_of("pack")); }),
            "busy");
  EXPECT_TRUE(lease->is_over());
  EXPECT_FALSE(is_there("pack", ObjectType::pack));
}

TEST_F(RestLeaseTest, NothingIsRemovedUnderOneThatIsOver) {
  const auto lease = acquire("lease");
  const ObjectName object = write_object(*backend_, ObjectType::index, bytes_of("record"));
  backend_->barrier();
  break_lease("lease");
  EXPECT_EQ(error_of([&] { lease->backend().remove(object); }), "busy");
  EXPECT_TRUE(is_there("record", ObjectType::index));
  backend_->remove(object);
  EXPECT_FALSE(is_there("record", ObjectType::index)) << "who is under no lease may";
}

TEST_F(RestLeaseTest, OneThatIsOverDoesNotStopOthersOfTheSameProcess) {
  const auto lost = acquire("lost");
  const auto other = acquire("other");
  write_object(lost->backend(), ObjectType::index, bytes_of("record of the lost"));
  write_object(other->backend(), ObjectType::index, bytes_of("record of the other"));
  write_object(*backend_, ObjectType::index, bytes_of("record of nobody"));
  break_lease("lost");
  EXPECT_EQ(error_of([&] { other->backend().barrier(); }), "none");
  EXPECT_EQ(error_of([&] { lost->backend().barrier(); }), "busy") << "he learns it all the same";
  EXPECT_EQ(error_of([&] { backend_->barrier(); }), "none");
  EXPECT_TRUE(is_there("record of the other", ObjectType::index));
  EXPECT_TRUE(is_there("record of nobody", ObjectType::index));
  EXPECT_FALSE(is_there("record of the lost", ObjectType::index));
}

TEST_F(RestLeaseTest, ARenewalDoesNotWaitBehindAnUploadThatKeepsToABandwidth) {
  backends::RemoteOptions slow = options();
  slow.upload_bytes_per_s = 256 << 10;
  backend_ = backends::open_rest_backend(server_.unix_url(), slow);
  const auto lease = acquire("lease");
  std::atomic<bool> is_over = false;
  {
    std::jthread upload{[&] {
      write_object(*backend_, ObjectType::pack, random_bytes(1, 1 << 20));
      is_over = true;
    }};
    while (std::filesystem::is_empty(server_.data() + "/.vgerfs-server/uploads")) {
      std::this_thread::yield();
    }
    EXPECT_TRUE(lease->renew());
    EXPECT_FALSE(is_over);
  }
  EXPECT_TRUE(is_over);
}

TEST_F(RestLeaseTest, AServerThatKnowsNoLeasesLeavesThemToItsClients) {
  for (const char* method : {"GET", "POST"}) {
    proxy_.answer_with("HTTP/1.1 404 Not Found\r\nVgerfs-Api: 1\r\nContent-Length: 0\r\n\r\n",
                       method);
  }
  EXPECT_FALSE(acquire("lease"));
  EXPECT_FALSE(backend_->services()->leases());
}

TEST(RestLease, OtherServersAreNotAsked) {
  const RestServer server;
  FaultProxy proxy{server.socket()};
  proxy.hide_extensions(false);
  backends::RemoteOptions options;
  options.token = RestServer::kToken;
  const auto backend = backends::create_rest_backend(proxy.url() + "/repo", options);
  EXPECT_FALSE(backend->services()->acquire_lease(
      {.object = bytes_of("lease"), .is_exclusive = false, .ttl_s = 3600}));
  for (const SeenRequest& request : proxy.seen()) {
    EXPECT_EQ(request.target.find("/api/"), std::string::npos) << request.target;
  }
}

}  // namespace
}  // namespace vgerfs::testing
