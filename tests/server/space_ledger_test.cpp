#include "server/space_ledger.h"

#include <atomic>
#include <optional>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "support/error_of.h"

namespace vgerfs::server {
namespace {

using vgerfs::testing::error_of;

class SpaceLedgerTest : public ::testing::Test {
 protected:
  std::string_view reserve_error(SpaceOwner owner, const SpaceLimits& limits, std::uint64_t bytes) {
    return error_of([&] { return ledger_.reserve(owner, limits, bytes).bytes(); });
  }

  std::uint64_t free_ = 1'000'000;
  SpaceLedger ledger_{[this] { return free_; }};
};

TEST_F(SpaceLedgerTest, WhatIsReservedCounts) {
  const SpaceLimits limits{.repository_bytes = 100};
  const Reservation first = ledger_.reserve({1, 1}, limits, 60);
  EXPECT_EQ(reserve_error({1, 2}, limits, 41), "no_space");
  EXPECT_EQ(reserve_error({1, 2}, limits, 40), "none");
  EXPECT_EQ(reserve_error({2, 1}, limits, 100), "none") << "another repository";
}

TEST_F(SpaceLedgerTest, WhatIsNotUsedComesBack) {
  const SpaceLimits limits{.repository_bytes = 100, .token_bytes = 100};
  { const Reservation dropped = ledger_.reserve({1, 1}, limits, 100); }
  {
    Reservation half = ledger_.reserve({1, 1}, limits, 100);
    half.settle(50);
  }
  EXPECT_EQ(ledger_.reserved(), 0U);
  EXPECT_EQ(ledger_.used_by_repository(1), 50U);
  EXPECT_EQ(reserve_error({1, 1}, limits, 51), "no_space");
  EXPECT_EQ(reserve_error({1, 1}, limits, 50), "none");
  ledger_.give_back_used({1, 1}, 50);
  EXPECT_EQ(reserve_error({1, 1}, limits, 100), "none");
}

TEST_F(SpaceLedgerTest, ATokenHasAQuotaOverAllRepositories) {
  const SpaceLimits limits{.token_bytes = 100};
  const Reservation first = ledger_.reserve({1, 5}, limits, 60);
  EXPECT_EQ(reserve_error({2, 5}, limits, 41), "no_space");
  EXPECT_EQ(reserve_error({2, 6}, limits, 100), "none");
  EXPECT_EQ(reserve_error({2, 0}, limits, 1000), "none") << "no token's";
}

TEST_F(SpaceLedgerTest, TheDiskKeepsItsFloor) {
  const SpaceLimits limits{.min_free_bytes = 900'000};
  const Reservation first = ledger_.reserve({1, 1}, limits, 60'000);
  EXPECT_EQ(reserve_error({2, 2}, limits, 40'001), "no_space");
  EXPECT_EQ(reserve_error({2, 2}, limits, 40'000), "none");
  free_ = 900'000;
  EXPECT_EQ(reserve_error({2, 2}, limits, 0), "none") << "nothing asked for";
  EXPECT_EQ(reserve_error({2, 2}, limits, 1), "no_space");
}

TEST_F(SpaceLedgerTest, GrowingAsksAgain) {
  const SpaceLimits limits{.repository_bytes = 100};
  Reservation growing = ledger_.reserve({1, 1}, limits, 0);
  growing.grow_to(70);
  growing.grow_to(30);
  EXPECT_EQ(growing.bytes(), 70U);
  EXPECT_EQ(error_of([&] {
              growing.grow_to(101);
              return 0;
            }),
            "no_space");
  EXPECT_EQ(growing.bytes(), 70U);
}

TEST_F(SpaceLedgerTest, HugeNumbersDoNotOverflow) {
  const SpaceLimits limits{.repository_bytes = 100};
  const Reservation first = ledger_.reserve({1, 1}, limits, 60);
  EXPECT_EQ(reserve_error({1, 1}, limits, UINT64_MAX), "no_space");
  EXPECT_EQ(reserve_error({1, 1}, limits, UINT64_MAX - 59), "no_space");
}

TEST_F(SpaceLedgerTest, ManyThreadsTogetherStayBelowTheLimit) {
  const SpaceLimits limits{.repository_bytes = 1000};
  std::atomic<int> granted = 0;
  {
    std::vector<std::jthread> threads;
    for (int i = 0; i < 8; ++i) {
      threads.emplace_back([&] {
        for (int j = 0; j < 50; ++j) {
          try {
            Reservation reservation = ledger_.reserve({1, 1}, limits, 7);
            reservation.settle(7);
            ++granted;
          } catch (const Error&) {
          }
        }
      });
    }
  }
  EXPECT_EQ(granted, 142);
  EXPECT_EQ(ledger_.used_by_repository(1), 994U);
}

}  // namespace
}  // namespace vgerfs::server
