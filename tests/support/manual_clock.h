// A clock that a test turns.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>

#include "base/clock.h"

namespace vgerfs::testing {

/// Both clocks stand still until the test moves them. Thread-safe.
class ManualClock final : public Clock {
 public:
  /// Begins at 2026-11-20T23:10:05Z unless told otherwise.
  explicit ManualClock(Timestamp now = {1'795'216'205, 0}) : now_(now) {}

  Timestamp now() const override {
    const std::lock_guard lock{mutex_};
    return now_;
  }
  std::int64_t boot_ns() const override {
    const std::lock_guard lock{mutex_};
    return boot_ns_;
  }

  /// Moves both clocks on.
  void advance(std::chrono::nanoseconds by) {
    const std::lock_guard lock{mutex_};
    boot_ns_ += by.count();
    const std::int64_t ns = static_cast<std::int64_t>(now_.ns) + by.count();
    const std::int64_t carry = ns >= 0 ? ns / kSecond : -((-ns + kSecond - 1) / kSecond);
    now_ = {now_.s + carry, static_cast<std::uint32_t>(ns - carry * kSecond)};
  }
  /// Sets the wall clock only, as an administrator does.
  void set(Timestamp now) {
    const std::lock_guard lock{mutex_};
    now_ = now;
  }

 private:
  static constexpr std::int64_t kSecond = 1'000'000'000;

  mutable std::mutex mutex_;
  Timestamp now_;                       // guarded by mutex_
  std::int64_t boot_ns_ = 5 * kSecond;  // guarded by mutex_
};

}  // namespace vgerfs::testing
