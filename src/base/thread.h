// Named joining threads.
#pragma once

#include <pthread.h>

#include <string>
#include <thread>
#include <utility>

namespace vgerfs {

/// A std::jthread with a name of at most 15 bytes, as ps and gdb show it. `body` takes a
/// std::stop_token and must not throw: it catches at its own boundary.
template <class Body>
std::jthread start_thread(const char* name, Body body) {
  std::jthread thread{std::move(body)};
  ::pthread_setname_np(thread.native_handle(), name);
  return thread;
}

}  // namespace vgerfs
