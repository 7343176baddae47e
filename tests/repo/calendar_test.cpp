#include "repo/maintenance/calendar.h"

#include <limits>

#include <gtest/gtest.h>

#include "base/clock.h"
#include "support/local_zone.h"

namespace vgerfs::repo {
namespace {

using testing::kBerlin;
using testing::LocalZone;

std::int64_t utc(std::string_view text) { return parse_time(text).value(); }
std::int64_t unit(CalendarUnit which, std::string_view time) { return unit_of(which, utc(time)); }
std::string back(std::string_view time, const Period& period) {
  return iso_time({before(utc(time), period), 0});
}

TEST(Calendar, AnHourThatComesTwiceIsTwoHoursOfOneDay) {
  const LocalZone zone{kBerlin};
  // 02:30 CEST and 02:30 CET.
  const char* first = "2026-10-25T00:30:00Z";
  const char* second = "2026-10-25T01:30:00Z";
  EXPECT_LT(unit(CalendarUnit::hour, first), unit(CalendarUnit::hour, second));
  EXPECT_EQ(unit(CalendarUnit::day, first), unit(CalendarUnit::day, second));
  EXPECT_EQ(unit(CalendarUnit::hour, "2026-10-25T00:00:00Z"), unit(CalendarUnit::hour, first));
  EXPECT_EQ(unit(CalendarUnit::hour, "2026-10-25T00:59:59Z"), unit(CalendarUnit::hour, first));
}

TEST(Calendar, DaysEndAtLocalMidnightAlsoWhenTheyHave23Hours) {
  const LocalZone zone{kBerlin};
  // 2026-03-29: from 00:00 CET to 24:00 CEST.
  const auto day = unit(CalendarUnit::day, "2026-03-28T23:00:00Z");
  EXPECT_EQ(unit(CalendarUnit::day, "2026-03-28T22:59:59Z"), day - 1);
  EXPECT_EQ(unit(CalendarUnit::day, "2026-03-29T21:59:59Z"), day);
  EXPECT_EQ(unit(CalendarUnit::day, "2026-03-29T22:00:00Z"), day + 1);
}

TEST(Calendar, WeeksBeginOnMondayAlsoAcrossTheYear) {
  const LocalZone zone{"UTC0"};
  const auto week = unit(CalendarUnit::week, "2026-12-28T00:00:00Z");  // a Monday
  EXPECT_EQ(unit(CalendarUnit::week, "2026-12-27T23:59:59Z"), week - 1);
  EXPECT_EQ(unit(CalendarUnit::week, "2027-01-03T23:59:59Z"), week);
  EXPECT_EQ(unit(CalendarUnit::week, "2027-01-04T00:00:00Z"), week + 1);
}

TEST(Calendar, MonthsAndYearsAreThoseOfTheLocalDate) {
  const LocalZone zone{"NZST-12NZDT,M9.5.0,M4.1.0/3"};
  // 2027-01-01 00:00 NZDT.
  const auto month = unit(CalendarUnit::month, "2026-12-31T11:00:00Z");
  EXPECT_EQ(unit(CalendarUnit::month, "2026-12-31T10:59:59Z"), month - 1);
  EXPECT_EQ(unit(CalendarUnit::year, "2026-12-31T11:00:00Z"), 2027);
  EXPECT_EQ(unit(CalendarUnit::year, "2026-12-31T10:59:59Z"), 2026);
}

TEST(Calendar, TimesBeforeTheEpochLieInTheirUnits) {
  const LocalZone zone{"UTC0"};
  EXPECT_EQ(unit_of(CalendarUnit::day, -1), -1);
  EXPECT_EQ(unit_of(CalendarUnit::hour, -1), -3600);
  EXPECT_EQ(unit_of(CalendarUnit::year, -1), 1969);
}

TEST(Calendar, NoTimeIsTooFarAway) {
  const LocalZone zone{kBerlin};
  for (const auto which : {CalendarUnit::hour, CalendarUnit::day, CalendarUnit::week,
                           CalendarUnit::month, CalendarUnit::year}) {
    EXPECT_LT(unit_of(which, std::numeric_limits<std::int64_t>::min()), unit_of(which, 0));
    EXPECT_GT(unit_of(which, std::numeric_limits<std::int64_t>::max()), unit_of(which, 0));
  }
  EXPECT_LT(before(std::numeric_limits<std::int64_t>::min(), kMaxPeriod), 0);
  EXPECT_GT(before(std::numeric_limits<std::int64_t>::max(), kMaxPeriod), 0);
}

TEST(Calendar, PeriodsOfDaysKeepTheTimeOfDayAndHoursAreHours) {
  const LocalZone zone{kBerlin};
  // 10:00 CEST on the 30th; the clocks went on in the night to the 29th.
  EXPECT_EQ(back("2026-03-30T08:00:00Z", {.months = 0, .days = 2, .hours = 0}),
            "2026-03-28T09:00:00Z");
  EXPECT_EQ(back("2026-03-30T08:00:00Z", {.months = 0, .days = 0, .hours = 48}),
            "2026-03-28T08:00:00Z");
}

TEST(Calendar, ADayThatTheMonthDoesNotHaveIsItsLast) {
  const LocalZone zone{"UTC0"};
  EXPECT_EQ(back("2026-03-31T12:00:00Z", {.months = 1, .days = 0, .hours = 0}),
            "2026-02-28T12:00:00Z");
  EXPECT_EQ(back("2028-02-29T12:00:00Z", {.months = 12, .days = 0, .hours = 0}),
            "2027-02-28T12:00:00Z");
  EXPECT_EQ(back("2027-01-15T12:00:00Z", {.months = 18, .days = 1, .hours = 1}),
            "2025-07-14T11:00:00Z");
}

TEST(Calendar, OfTwoTimesThatAClockShowsAlikeTheEarlierCounts) {
  const LocalZone zone{kBerlin};
  // 02:30 on 2026-10-25 was at 00:30Z and at 01:30Z.
  EXPECT_EQ(back("2026-10-26T01:30:00Z", {.months = 0, .days = 1, .hours = 0}),
            "2026-10-25T00:30:00Z");
  // 02:30 on 2026-03-29 was never: between 01:30 and 03:30 the earlier.
  EXPECT_EQ(back("2026-03-30T00:30:00Z", {.months = 0, .days = 1, .hours = 0}),
            "2026-03-29T00:30:00Z");
}

}  // namespace
}  // namespace vgerfs::repo
