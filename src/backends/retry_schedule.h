// When a request that failed is tried again: pauses that double, are cut by chance so that clients
// do not come back together, and end after a bounded time.
#pragma once

#include <algorithm>
#include <chrono>
#include <optional>
#include <random>

namespace vgerfs::backends {

/// Of one request. One thread.
class RetrySchedule {
 public:
  using Milliseconds = std::chrono::milliseconds;
  using Time = std::chrono::steady_clock::time_point;

  static constexpr Milliseconds kLongestPause{30'000};

  /// `first_pause`: before the second try, at most.
  explicit RetrySchedule(Milliseconds first_pause)
      : first_pause_(first_pause), pause_(first_pause) {}

  /// The pause after a failure at `now`; nullopt when there was none of success for `patience`.
  /// `asked`: at least so long, as the server asks.
  std::optional<Milliseconds> next(Time now, Milliseconds patience, Milliseconds asked,
                                   std::minstd_rand& random) {
    const Time since = failing_since_.value_or(now);
    failing_since_ = since;
    const auto left = patience - std::chrono::duration_cast<Milliseconds>(now - since);
    std::uniform_int_distribution<Milliseconds::rep> chance{pause_.count() / 2, pause_.count()};
    const Milliseconds pause = std::max(Milliseconds{chance(random)}, asked);
    pause_ = std::min(pause_ * 2, kLongestPause);
    if (pause > left) return std::nullopt;
    return pause;
  }

  /// Some of it came through: patience begins anew.
  void progress() {
    failing_since_.reset();
    pause_ = first_pause_;
  }

 private:
  Milliseconds first_pause_;
  Milliseconds pause_;
  std::optional<Time> failing_since_;
};

}  // namespace vgerfs::backends
