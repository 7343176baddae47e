// A few threads for calls that mostly wait for the disk: syncing many files one after the other
// costs a wait each, together they share them.
#pragma once

#include <algorithm>
#include <atomic>
#include <exception>
#include <mutex>
#include <stop_token>
#include <system_error>
#include <thread>
#include <vector>

#include "base/thread.h"

namespace vgerfs::backends {

/// Calls `action(item)` for every item, in up to 4 threads when there are many. After an exception
/// no further item is begun; the first one is thrown when all threads have ended.
template <class Item, class Action>
void for_each_in_parallel(const std::vector<Item>& items, Action action) {
  constexpr std::size_t kThreads = 4;
  constexpr std::size_t kItemsPerThread = 8;  // fewer are not worth a thread
  std::atomic<std::size_t> next = 0;
  std::mutex mutex;
  std::exception_ptr failure;  // guarded by mutex
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < items.size(); i = next++) action(items[i]);
    } catch (...) {
      next = items.size();
      const std::lock_guard lock{mutex};
      if (!failure) failure = std::current_exception();
    }
  };
  {
    std::vector<std::jthread> helpers;
    const std::size_t wanted = std::min(kThreads, items.size() / kItemsPerThread);
    try {
      for (std::size_t i = 1; i < wanted; ++i) {
        helpers.push_back(start_thread("vgerfs-sync", [&](const std::stop_token&) { work(); }));
      }
    } catch (const std::system_error&) {
      // No more threads to be had: this one does the rest.
    }
    work();
  }
  if (failure) std::rethrow_exception(failure);
}

}  // namespace vgerfs::backends
