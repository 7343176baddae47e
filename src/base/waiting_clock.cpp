#include "base/waiting_clock.h"

#include <condition_variable>
#include <mutex>

namespace vgerfs {

bool wait(const Clock& clock, std::chrono::nanoseconds duration, const std::stop_token& stop) {
  if (const auto* const own = dynamic_cast<const WaitingClock*>(&clock)) {
    return own->wait(duration, stop);
  }
  std::mutex mutex;
  std::condition_variable_any never;
  std::unique_lock lock{mutex};
  never.wait_for(lock, stop, duration, [] { return false; });
  return !stop.stop_requested();
}

}  // namespace vgerfs
