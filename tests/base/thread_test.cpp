#include "base/thread.h"

#include <atomic>
#include <condition_variable>
#include <fstream>
#include <mutex>
#include <string>

#include <gtest/gtest.h>

namespace vgerfs {
namespace {

TEST(StartThread, NamesTheThreadAndStopsItAtTheEnd) {
  std::atomic<bool> stopped = false;
  {
    std::mutex mutex;
    std::condition_variable_any never;
    const std::jthread thread = start_thread("vgerfs-tester", [&](const std::stop_token& stop) {
      std::unique_lock lock{mutex};
      never.wait(lock, stop, [] { return false; });
      stopped = true;
    });
    char name[16] = {};
    auto& joinable = const_cast<std::jthread&>(thread);
    ASSERT_EQ(::pthread_getname_np(joinable.native_handle(), name, sizeof name), 0);
    EXPECT_STREQ(name, "vgerfs-tester");
  }
  EXPECT_TRUE(stopped);
}

}  // namespace
}  // namespace vgerfs
