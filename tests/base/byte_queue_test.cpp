#include "base/byte_queue.h"

#include <atomic>
#include <chrono>
#include <future>
#include <memory>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

/// Whether a call still waits after a moment. A call that ought to wait and is merely slow passes:
/// the test can miss a failure but not invent one.
template <class Future>
bool is_waiting(const Future& future) {
  return future.wait_for(std::chrono::milliseconds{30}) == std::future_status::timeout;
}

TEST(ByteQueue, IsFirstInFirstOut) {
  ByteQueue<int> queue{100};
  for (int i = 0; i < 5; ++i) EXPECT_TRUE(queue.push(i, 10));
  for (int i = 0; i < 5; ++i) EXPECT_EQ(queue.pop(), i);
}

TEST(ByteQueue, PushWaitsWhileTheBudgetIsSpent) {
  ByteQueue<int> queue{100};
  EXPECT_TRUE(queue.push(1, 60));
  EXPECT_TRUE(queue.push(2, 40)) << "exactly the budget fits";
  auto third = std::async(std::launch::async, [&] { return queue.push(3, 1); });
  EXPECT_TRUE(is_waiting(third));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(third.get());
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), 3);
}

TEST(ByteQueue, OneValueFitsHoweverLargeItIs) {
  ByteQueue<int> queue{100};
  EXPECT_TRUE(queue.push(1, 1000));
  auto second = std::async(std::launch::async, [&] { return queue.push(2, 1); });
  EXPECT_TRUE(is_waiting(second));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_TRUE(second.get());
}

TEST(ByteQueue, PopWaitsForAValue) {
  ByteQueue<int> queue{100};
  auto value = std::async(std::launch::async, [&] { return queue.pop(); });
  EXPECT_TRUE(is_waiting(value));
  queue.push(7, 1);
  EXPECT_EQ(value.get(), 7);
}

TEST(ByteQueue, CloseLetsConsumersDrainAndEnds) {
  ByteQueue<int> queue{100};
  queue.push(1, 1);
  queue.push(2, 1);
  queue.close();
  EXPECT_FALSE(queue.push(3, 1));
  EXPECT_EQ(queue.pop(), 1);
  EXPECT_EQ(queue.pop(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(ByteQueue, CloseWakesWhoWaits) {
  ByteQueue<int> full{10};
  full.push(1, 10);
  ByteQueue<int> empty{10};
  std::vector<std::future<bool>> calls;
  for (int i = 0; i < 3; ++i) {
    calls.push_back(std::async(std::launch::async, [&] { return full.push(2, 10); }));
    calls.push_back(std::async(std::launch::async, [&] { return empty.pop().has_value(); }));
  }
  EXPECT_TRUE(is_waiting(calls.front()));
  full.close();
  empty.close();
  for (auto& call : calls) EXPECT_FALSE(call.get());
}

TEST(ByteQueue, CarriesMoveOnlyValues) {
  ByteQueue<std::unique_ptr<int>> queue{10};
  queue.push(std::make_unique<int>(5), 1);
  EXPECT_EQ(**queue.pop(), 5);
}

TEST(ByteQueue, LosesAndRepeatsNothingBetweenManyThreads) {
  constexpr int kProducers = 4;
  constexpr int kEach = 2000;
  ByteQueue<int> queue{64};
  std::atomic<long> sum = 0;
  std::atomic<int> count = 0;
  {
    std::vector<std::jthread> consumers;
    consumers.reserve(3);
    for (int i = 0; i < 3; ++i) {
      consumers.emplace_back([&] {
        while (const auto value = queue.pop()) {
          sum += *value;
          ++count;
        }
      });
    }
    {
      std::vector<std::jthread> producers;
      producers.reserve(kProducers);
      for (int producer = 0; producer < kProducers; ++producer) {
        producers.emplace_back([&, producer] {
          for (int i = 0; i < kEach; ++i) {
            queue.push(producer * kEach + i, static_cast<std::size_t>(1 + i % 50));
          }
        });
      }
    }
    queue.close();
  }
  constexpr long kAll = kProducers * kEach;
  EXPECT_EQ(count, kAll);
  EXPECT_EQ(sum, kAll * (kAll - 1) / 2);
}

}  // namespace
}  // namespace vgerfs
