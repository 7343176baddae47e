// How fast bytes may go in one direction, over all transfers together.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <cstdint>

namespace vgerfs::backends {

/// Takes what comes as long as nothing is owed; what was too much is waited for. One thread.
class HttpPace {
 public:
  using Time = std::chrono::steady_clock::time_point;

  /// 0: no limit.
  explicit HttpPace(std::uint64_t bytes_per_s) : bytes_per_s_(bytes_per_s) {}

  bool is_open(Time now) const { return bytes_per_s_ == 0 || now >= free_at_; }
  /// When it is open again.
  Time free_at() const { return free_at_; }
  void count(std::size_t bytes, Time now) {
    if (bytes_per_s_ == 0) return;
    const std::chrono::duration<double> cost{static_cast<double>(bytes) /
                                             static_cast<double>(bytes_per_s_)};
    free_at_ = std::max(free_at_, now) + std::chrono::duration_cast<Time::duration>(cost);
  }
  /// So much at once keeps it even.
  std::size_t piece(std::size_t wanted) const {
    if (bytes_per_s_ == 0) return wanted;
    constexpr std::uint64_t kLeast = 4096;
    return std::min<std::size_t>(wanted, std::max(kLeast, bytes_per_s_ / 16));
  }

 private:
  std::uint64_t bytes_per_s_;
  Time free_at_{};
};

}  // namespace vgerfs::backends
