#include "repo/maintenance/calendar.h"

#include <algorithm>
#include <chrono>
#include <ctime>

namespace vgerfs::repo {
namespace {

using std::chrono::days;
using std::chrono::sys_days;
using std::chrono::year_month_day;

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;
// Some 9000 years around the epoch: what lies outside is nobody's backup, and every year in it can
// be computed with.
constexpr std::int64_t kFar = 9000 * 366 * kDay;

constexpr std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - (a % b < 0 ? 1 : 0);
}

std::int64_t utc_offset(std::int64_t time_s) {
  const time_t seconds = time_s;
  std::tm local{};
  return ::localtime_r(&seconds, &local) == nullptr ? 0 : local.tm_gmtoff;
}

year_month_day date_of(std::int64_t day) { return sys_days{days{day}}; }

/// Months since the year 0.
std::int64_t month_number(const year_month_day& date) {
  return std::int64_t{static_cast<int>(date.year())} * 12 + static_cast<unsigned>(date.month()) - 1;
}

/// The earliest time at which clocks show `local`, or would if they did not skip it.
std::int64_t from_local(std::int64_t local) {
  // Offsets are below a day: the change, if there is one nearby, lies between these.
  const std::int64_t early = utc_offset(local - kDay);
  const std::int64_t late = utc_offset(local + kDay);
  const auto [first, second] = std::minmax({local - early, local - late});
  if (first + utc_offset(first) == local) return first;
  if (second + utc_offset(second) == local) return second;
  return first;
}

}  // namespace

std::int64_t unit_of(CalendarUnit unit, std::int64_t time_s) {
  const std::int64_t utc = std::clamp(time_s, -kFar, kFar);
  const std::int64_t local = utc + utc_offset(utc);
  const std::int64_t day = floor_div(local, kDay);
  switch (unit) {
    // When it began, in UTC: of an hour that comes twice each has its own.
    case CalendarUnit::hour: return utc - (local - floor_div(local, kHour) * kHour);
    case CalendarUnit::day: return day;
    case CalendarUnit::week: return floor_div(day + 3, 7);  // the epoch was a Thursday
    case CalendarUnit::month: return month_number(date_of(day));
    case CalendarUnit::year: return static_cast<int>(date_of(day).year());
  }
  return 0;
}

std::int64_t before(std::int64_t time_s, const Period& period) {
  const std::int64_t utc = std::clamp(time_s, -kFar, kFar);
  const std::int64_t local = utc + utc_offset(utc);
  const std::int64_t day = floor_div(local, kDay);
  const year_month_day date = date_of(day);
  const std::int64_t month = month_number(date) - period.months;
  const std::chrono::year_month target{
      std::chrono::year{static_cast<int>(floor_div(month, 12))},
      std::chrono::month{static_cast<unsigned>(month - floor_div(month, 12) * 12) + 1}};
  const auto last = (target / std::chrono::last).day();
  const sys_days moved = sys_days{target / std::min(date.day(), last)} - days{period.days};
  return from_local(moved.time_since_epoch().count() * kDay + (local - day * kDay)) -
         period.hours * kHour;
}

}  // namespace vgerfs::repo
