// Waiting, for those who do something of their own accord from time to time.
#pragma once

#include <chrono>
#include <stop_token>

#include "base/clock.h"

namespace vgerfs {

/// A clock whose time does not pass as this machine's does, and so can be waited for by itself
/// only. Thread-safe.
class WaitingClock : public Clock {
 public:
  /// Returns when so much time of this clock has passed, or at once when a stop is requested: then
  /// false.
  virtual bool wait(std::chrono::nanoseconds duration, const std::stop_token& stop) const = 0;
};

/// The same for any clock: time of this machine unless the clock has its own.
bool wait(const Clock& clock, std::chrono::nanoseconds duration, const std::stop_token& stop);

}  // namespace vgerfs
