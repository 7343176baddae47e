// Time as the outside sees it, behind a small interface so that tests can turn it.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace vgerfs {

inline constexpr std::uint32_t kNsPerSecond = 1'000'000'000;

/// Nanoseconds since the Unix epoch in two parts; may lie before it (ns is always 0 … 999 999 999).
struct Timestamp {
  std::int64_t s = 0;
  std::uint32_t ns = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend constexpr auto operator<=>(const Timestamp&, const Timestamp&) = default;
};

/// From nanoseconds since the epoch.
constexpr Timestamp timestamp_of(std::int64_t ns) noexcept {
  std::int64_t s = ns / kNsPerSecond;
  std::int64_t rest = ns % kNsPerSecond;
  if (rest < 0) {
    --s;
    rest += kNsPerSecond;
  }
  return {s, static_cast<std::uint32_t>(rest)};
}

/// Wall clock and a clock that never jumps and runs on during suspend. Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Timestamp now() const = 0;
  /// CLOCK_BOOTTIME in nanoseconds.
  virtual std::int64_t boot_ns() const = 0;
};

/// The system's clocks.
const Clock& system_clock();

/// "2026-11-20T23.10.05Z": UTC, as snapshots are named in the mount.
std::string snapshot_time_name(Timestamp time);
/// "2026-11-20T23:10:05Z": ISO 8601, for people and JSON.
std::string iso_time(Timestamp time);
/// Whole seconds from either form.
std::optional<std::int64_t> parse_time(std::string_view text);

}  // namespace vgerfs
