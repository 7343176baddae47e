#include "repo/worker_pool.h"

#include <atomic>
#include <set>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

using Pool = WorkerPool<int, int>;
constexpr auto kLong = std::chrono::milliseconds{1000};

TEST(WorkerPool, EveryTaskHasItsResult) {
  Pool pool{{.threads = 3, .queued_tasks = 8}, {}, [](std::stop_token) {
              return [](int& task) { return task * 2; };
            }};
  std::set<int> results;
  for (int i = 0; i < 1000; ++i) {
    pool.submit(i, 100);
    for (const int result : pool.take({})) results.insert(result);
  }
  while (pool.outstanding() > 0) {
    for (const int result : pool.take(kLong)) results.insert(result);
  }
  EXPECT_EQ(results.size(), 1000U);
  EXPECT_EQ(*results.rbegin(), 1998);
}

TEST(WorkerPool, AFailureEndsItAndNobodyWaitsForEver) {
  Pool pool{
      {.threads = 2, .queued_tasks = 4, .batch_tasks = 1}, {}, [](std::stop_token) -> Pool::Worker {
        return [](int& task) -> int {
          if (task == 5) throw Error{ErrorCode::no_space, "full"};
          return task;
        };
      }};
  EXPECT_THROW(
      {
        for (int i = 0; i < 100'000; ++i) {
          pool.submit(i, 1);
          pool.take({});
        }
        while (pool.outstanding() > 0) pool.take(kLong);
      },
      Error);
}

TEST(WorkerPool, ItsEndStopsWhatIsAtWork) {
  std::atomic<int> begun = 0;
  std::atomic<int> stopped = 0;
  {
    Pool pool{{.threads = 2, .queued_tasks = 100, .batch_tasks = 1},
              {},
              [&](std::stop_token stop) -> Pool::Worker {
                return [&, stop](int& task) {
                  ++begun;
                  while (!stop.stop_requested()) std::this_thread::yield();
                  ++stopped;
                  return task;
                };
              }};
    for (int i = 0; i < 10; ++i) pool.submit(i, 1);
    while (begun < 2) std::this_thread::yield();
  }
  EXPECT_EQ(stopped, 2);
  EXPECT_EQ(begun, 2) << "what is queued is dropped";
}

TEST(WorkerPool, TheCallersStopReachesTheWorkers) {
  std::stop_source source;
  Pool pool{{.threads = 1, .batch_tasks = 1},
            source.get_token(),
            [](std::stop_token stop) -> Pool::Worker {
              return [stop](int&) -> int {
                while (!stop.stop_requested()) std::this_thread::yield();
                throw Error{ErrorCode::interrupted, "stopped"};
              };
            }};
  pool.submit(1, 1);
  source.request_stop();
  EXPECT_THROW(while (pool.outstanding() > 0) pool.take(kLong), Error);
}

}  // namespace
}  // namespace vgerfs::repo
