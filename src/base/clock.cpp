#include "base/clock.h"

#include <ctime>

#include <fmt/format.h>

namespace vgerfs {
namespace {

class SystemClock final : public Clock {
 public:
  Timestamp now() const override {
    timespec time{};
    ::clock_gettime(CLOCK_REALTIME, &time);
    return {time.tv_sec, static_cast<std::uint32_t>(time.tv_nsec)};
  }
  std::int64_t boot_ns() const override {
    timespec time{};
    ::clock_gettime(CLOCK_BOOTTIME, &time);
    return time.tv_sec * std::int64_t{kNsPerSecond} + time.tv_nsec;
  }
};

std::string format_time(Timestamp time, char separator) {
  const time_t seconds = time.s;
  std::tm utc{};
  ::gmtime_r(&seconds, &utc);
  return fmt::format("{:04}-{:02}-{:02}T{:02}{}{:02}{}{:02}Z", utc.tm_year + 1900L, utc.tm_mon + 1,
                     utc.tm_mday, utc.tm_hour, separator, utc.tm_min, separator, utc.tm_sec);
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock clock;
  return clock;
}

std::string snapshot_time_name(Timestamp time) { return format_time(time, '.'); }
std::string iso_time(Timestamp time) { return format_time(time, ':'); }

std::optional<std::int64_t> parse_time(std::string_view text) {
  if (text.size() != 20) return std::nullopt;
  std::string copy{text};
  for (const std::size_t at : {13U, 16U}) {
    if (copy[at] == '.') copy[at] = ':';
  }
  std::tm utc{};
  const char* end = ::strptime(copy.c_str(), "%Y-%m-%dT%H:%M:%SZ", &utc);
  if (end == nullptr || *end != '\0') return std::nullopt;
  // strptime takes "2026-02-30" and " 3:10": only what we would write ourselves is a time.
  const std::int64_t seconds = ::timegm(&utc);
  if (iso_time({seconds, 0}) != copy) return std::nullopt;
  return seconds;
}

}  // namespace vgerfs
