// Counters of the running server, and their text for Prometheus.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

#include "server/route.h"

namespace vgerfs::server {

/// Upper bounds in seconds of the latency histogram's buckets.
inline constexpr std::array<double, 8> kLatencyBounds = {0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60};

/// Thread-safe; each number by itself, not all together.
class Metrics {
 public:
  void count_request(Method method, int status, double seconds, std::uint64_t received_bytes,
                     std::uint64_t sent_bytes) noexcept;
  void connection_opened() noexcept { ++connections_; }
  void connection_closed() noexcept { --connections_; }
  std::uint64_t connections() const noexcept { return connections_; }

  /// In Prometheus' text format; who knows more appends it.
  std::string text() const;

 private:
  static constexpr std::size_t kMethods = 5;
  static constexpr std::size_t kClasses = 6;  // 1xx … 5xx by the first digit

  std::array<std::array<std::atomic<std::uint64_t>, kClasses>, kMethods> requests_{};
  std::array<std::atomic<std::uint64_t>, kLatencyBounds.size() + 1> latencies_{};
  std::atomic<double> latency_sum_ = 0;
  std::atomic<std::uint64_t> received_bytes_ = 0;
  std::atomic<std::uint64_t> sent_bytes_ = 0;
  std::atomic<std::uint64_t> connections_ = 0;
};

/// A value of a label, with Prometheus' escapes.
std::string label_value(std::string_view text);

}  // namespace vgerfs::server
