// Who is at work: a listing and the reading of what it names are two moments.
#include "repo/leases.h"

#include <functional>
#include <utility>

#include <gtest/gtest.h>

#include "backends/forwarding_backend.h"
#include "repo/lease_keeper.h"
#include "repository_fixture.h"
#include "support/error_of.h"

namespace vgerfs::repo {
namespace {

using testing::error_of;
using testing::TestRepository;

/// Something happens between a listing of the leases and what follows.
class BetweenBackend final : public backends::ForwardingBackend {
 public:
  using ForwardingBackend::ForwardingBackend;

  void list(format::ObjectType type,
            const std::function<void(const backends::ObjectInfo&)>& each) override {
    ForwardingBackend::list(type, each);
    if (type == format::ObjectType::lock && after_listing) after_listing(++listings);
  }

  std::function<void(int)> after_listing;
  int listings = 0;
};

class Leases : public ::testing::Test {
 protected:
  Leases() {
    OpenOptions options;
    options.directories = {.cache = test_.directory() + "/client/cache",
                           .state = test_.directory() + "/client/state"};
    options.host = "host";
    repository_ = Repository::open(store_, TestRepository::full_key(), std::move(options));
    lease_ = new_lease(*repository_, LeaseKind::shared, session_, "host");
    lease_.created_s = system_clock().now().s;
  }

  /// As LeaseKeeper does it: the new one is there before the old one goes.
  void refresh() {
    ++lease_.sequence;
    lease_.refreshed_s = system_clock().now().s;
    const auto old = std::exchange(
        current_,
        backends::write_object(memory_, format::ObjectType::lock,
                               seal_lease(lease_, repository_->keyring(), repository_->cipher(),
                                          *repository_->options().random)));
    memory_.barrier();
    if (old) memory_.remove(*old);
  }
  void end() { memory_.remove(*std::exchange(current_, std::nullopt)); }

  TestRepository test_;
  testing::MemoryBackend memory_{test_.shared_store()};
  const std::shared_ptr<BetweenBackend> store_ = std::make_shared<BetweenBackend>(memory_);
  std::unique_ptr<Repository> repository_;
  const SessionId session_{std::byte{7}};
  Lease lease_;
  std::optional<format::ObjectName> current_;
};

TEST_F(Leases, OneThatIsRefreshedBetweenTheListingAndItsReadingIsSeen) {
  refresh();
  store_->after_listing = [&](int listing) {
    if (listing <= 3) refresh();
  };
  const auto listed = list_leases(*repository_);
  ASSERT_EQ(listed.size(), 1U);
  ASSERT_TRUE(listed.front().lease);
  EXPECT_EQ(listed.front().lease->session, session_);
  EXPECT_EQ(listed.front().lease->sequence, 4U);
  EXPECT_TRUE(is_live(listed.front(), system_clock().now()));
}

TEST_F(Leases, OneThatEndsBetweenTheListingAndItsReadingIsNotListed) {
  refresh();
  store_->after_listing = [&](int listing) {
    if (listing == 1) end();
  };
  EXPECT_TRUE(list_leases(*repository_).empty());
}

TEST_F(Leases, WhenTheyAreNeverSeenWholeNobodySaysThatThereAreNone) {
  refresh();
  store_->after_listing = [&](int) { refresh(); };
  EXPECT_EQ(error_of([&] { return list_leases(*repository_); }), "unavailable");
}

TEST_F(Leases, OfASessionTheNewestIsListed) {
  refresh();
  const auto first = *std::exchange(current_, std::nullopt);
  refresh();
  ASSERT_EQ(test_.store().names(format::ObjectType::lock).size(), 2U);
  const auto listed = list_leases(*repository_);
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed.front().lease->sequence, 2U);
  EXPECT_NE(format::lease_name(listed.front().id), first);
}

}  // namespace
}  // namespace vgerfs::repo
