// The local calendar of this process (TZ, else /etc/localtime): the hours, days, weeks, months and
// years that retention counts by, and periods back from a time. Daylight saving changes nothing but
// what people see on their clocks: an hour that comes twice is two hours, a day may have 23.
#pragma once

#include <cstdint>

namespace vgerfs::repo {

enum class CalendarUnit : std::uint8_t { hour, day, week, month, year };

/// A number for the unit that a time (seconds since the epoch) lies in: the same for all times in
/// it, greater for later ones. Weeks begin on Monday.
std::int64_t unit_of(CalendarUnit unit, std::int64_t time_s);

/// As people say it: "1y6m" is 18 months of the calendar, whatever their lengths.
struct Period {
  std::uint32_t months = 0;
  std::uint32_t days = 0;
  std::uint32_t hours = 0;
  friend bool operator==(const Period&, const Period&) = default;
};
/// More than this in any part is no period.
inline constexpr Period kMaxPeriod{12'000, 366'000, 8'784'000};

/// The time that lies a period before another: the same time of day, then the hours. A day that the
/// month does not have is its last one; of two times that a clock shows alike, and around those
/// that it skips, the earlier.
std::int64_t before(std::int64_t time_s, const Period& period);

}  // namespace vgerfs::repo
