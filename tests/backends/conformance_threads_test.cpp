#include <atomic>
#include <barrier>
#include <thread>

#include <gmock/gmock.h>

#include "conformance.h"
#include "support/test_seed.h"

namespace vgerfs::testing {
namespace {

using backends::write_object;
using format::config_name;
using format::ObjectName;
using format::ObjectType;

constexpr int kThreads = 8;

/// Runs `body(number)` in threads that start together; fails the test for what they throw.
template <class Body>
void run_together(Body body) {
  std::barrier start{kThreads};
  std::vector<std::jthread> threads;
  threads.reserve(kThreads);
  for (int number = 0; number < kThreads; ++number) {
    threads.emplace_back([&, number] {
      start.arrive_and_wait();
      try {
        body(number);
      } catch (const std::exception& error) {
        ADD_FAILURE() << error.what();
      }
    });
  }
}

TEST_P(BackendConformance, ThreadsMayWriteTheSameObject) {
  for (std::uint64_t round = 0; round < 20; ++round) {
    const Bytes round_bytes = content(round, 5000);
    run_together([&](int) {
      const ObjectName name = write_object(*backend_, ObjectType::pack, round_bytes);
      backend_->barrier();
      EXPECT_EQ(stored(*other_, name), round_bytes);
    });
  }
}

TEST_P(BackendConformance, OneOfManyThreadsWinsAName) {
  for (int round = 0; round < 20; ++round) {
    std::atomic<int> winners = 0;
    std::atomic<int> winner = -1;
    run_together([&](int number) {
      try {
        backend_->write(config_name(), content(static_cast<std::uint64_t>(number)));
        ++winners;
        winner = number;
      } catch (const Error& error) {
        EXPECT_EQ(error.code(), ErrorCode::exists);
      }
      backend_->barrier();
    });
    EXPECT_EQ(winners, 1);
    EXPECT_EQ(stored(*other_, config_name()), content(static_cast<std::uint64_t>(winner.load())));
    other_->remove(config_name());
  }
}

TEST_P(BackendConformance, OneOfManyClientsWinsAName) {
  std::atomic<int> winners = 0;
  std::atomic<int> winner = -1;
  run_together([&](int number) {
    const auto client = store_->open();
    try {
      client->write(config_name(), content(static_cast<std::uint64_t>(number)));
      client->barrier();
      ++winners;
      winner = number;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::exists);
    }
  });
  EXPECT_EQ(winners, 1);
  EXPECT_EQ(stored(*other_, config_name()), content(static_cast<std::uint64_t>(winner.load())));
}

TEST_P(BackendConformance, ABarrierCoversTheWritesOfAllThreads) {
  run_together([&](int number) {
    for (std::uint64_t i = 0; i < 20; ++i) {
      write_object(*backend_, ObjectType::pack,
                   content(static_cast<std::uint64_t>(number) * 100 + i));
    }
  });
  backend_->barrier();
  EXPECT_EQ(listed(*other_, ObjectType::pack).size(), std::size_t{kThreads} * 20);
}

TEST_P(BackendConformance, EveryCallMayRunInManyThreads) {
  const std::uint64_t rounds = test_size<std::uint64_t>(60, 15);
  run_together([&](int number) {
    for (std::uint64_t i = 0; i < rounds; ++i) {
      const Bytes bytes = content(static_cast<std::uint64_t>(number) * 1000 + i, 3000);
      const ObjectType type = i % 2 == 0 ? ObjectType::pack : ObjectType::index;
      const ObjectName name = write_object(*backend_, type, bytes);
      // Whatever barriers and removals the others run, what was written is there.
      EXPECT_EQ(stored(*backend_, name), bytes);
      if (i % 5 == 0) {
        backend_->barrier();
        EXPECT_EQ(stored(*other_, name), bytes);
        EXPECT_TRUE(listed(*backend_, type).contains(name));
      }
      if (i % 7 == 0) {
        backend_->remove(name);
        EXPECT_EQ(backend_->stat(name), std::nullopt);
      }
    }
  });
  backend_->barrier();
}

}  // namespace
}  // namespace vgerfs::testing
