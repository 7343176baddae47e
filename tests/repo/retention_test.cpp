#include "repo/maintenance/retention.h"

#include <algorithm>
#include <ctime>
#include <iomanip>
#include <random>
#include <sstream>
#include <tuple>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/clock.h"
#include "index_examples.h"
#include "support/local_zone.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kBerlin;
using testing::LocalZone;

std::int64_t utc(std::string_view text) { return parse_time(text).value(); }

/// One line of snapshots; the number of each is its place.
class Line {
 public:
  /// The store received it when it was made, unless told otherwise.
  std::size_t add(std::int64_t time_s, Role role = Role::full) {
    return add(time_s, Timestamp{time_s, 0}, role);
  }
  std::size_t add(std::int64_t time_s, std::optional<Timestamp> stored_at, Role role) {
    Snapshot snapshot;
    snapshot.id = examples::make_id<SnapshotId>("snapshot", all_.size());
    snapshot.author.role = role;
    snapshot.time = {time_s, 0};
    all_.push_back(listed(std::make_shared<Snapshot>(std::move(snapshot)), stored_at));
    return all_.size() - 1;
  }
  ListedSnapshot& operator[](std::size_t at) { return all_[at]; }
  const std::vector<ListedSnapshot>& all() const { return all_; }

  std::vector<std::set<KeepRule>> rules(const RetentionRules& rules) const {
    std::vector<const ListedSnapshot*> line;
    for (const ListedSnapshot& each : all_) line.push_back(&each);
    return rules_that_keep(line, rules);
  }
  std::vector<std::size_t> kept(const RetentionRules& wanted) const {
    std::vector<std::size_t> kept;
    const auto by = rules(wanted);
    for (std::size_t i = 0; i < by.size(); ++i) {
      if (!by[i].empty()) kept.push_back(i);
    }
    return kept;
  }

 private:
  std::vector<ListedSnapshot> all_;
};

RetentionRules daily(std::uint32_t count) {
  RetentionRules rules;
  rules.daily = count;
  return rules;
}
RetentionRules last(std::uint32_t count) {
  RetentionRules rules;
  rules.last = count;
  return rules;
}

constexpr std::int64_t kHour = 3600;
constexpr std::int64_t kDay = 24 * kHour;

/// Noon of a day in November 2026.
std::int64_t noon(int day) { return utc("2026-11-01T12:00:00Z") + (day - 1) * kDay; }

TEST(Retention, KeepsTheNewestOfEachDayThatHasOne) {
  const LocalZone zone{"UTC0"};
  Line line;
  line.add(noon(1));
  line.add(noon(3));
  line.add(noon(3) + kHour);
  line.add(noon(9));
  EXPECT_THAT(line.kept(daily(2)), ElementsAre(2, 3));
  EXPECT_THAT(line.kept(daily(3)), ElementsAre(0, 2, 3));
  EXPECT_THAT(line.kept(daily(0)), IsEmpty());
}

TEST(Retention, NamesEveryRuleThatKeepsASnapshot) {
  const LocalZone zone{"UTC0"};
  Line line;
  const std::size_t old = line.add(noon(1));
  const std::size_t plain = line.add(noon(2));
  const std::size_t newest = line.add(noon(20));
  line[old].held = true;
  line[old].tags = {"a", "keep"};
  line[plain].tags = {"b"};
  RetentionRules rules = last(1);
  rules.yearly = 1;
  rules.within = Period{.months = 0, .days = 3, .hours = 0};
  rules.tags = {"keep", "other"};
  const auto by = line.rules(rules);
  EXPECT_THAT(by[old], ElementsAre(KeepRule::held, KeepRule::tag));
  EXPECT_THAT(by[plain], IsEmpty());
  EXPECT_THAT(by[newest], ElementsAre(KeepRule::last, KeepRule::yearly, KeepRule::within));
}

TEST(Retention, WithinCountsFromTheNewestSoThatALineThatEndedIsNotEmptied) {
  const LocalZone zone{"UTC0"};
  Line line;
  line.add(utc("1999-01-01T12:00:00Z"));
  line.add(utc("1999-01-29T11:59:59Z"));
  line.add(utc("1999-01-29T12:00:00Z"));
  line.add(utc("1999-01-31T12:00:00Z"));
  RetentionRules rules;
  rules.within = Period{.months = 0, .days = 2, .hours = 0};
  EXPECT_THAT(line.kept(rules), ElementsAre(2, 3));
}

TEST(Retention, HourlyKeepsBothOfAnHourThatComesTwice) {
  const LocalZone zone{kBerlin};
  Line line;
  line.add(utc("2026-10-24T23:30:00Z"));  // 01:30 CEST
  line.add(utc("2026-10-25T00:30:00Z"));  // 02:30 CEST
  line.add(utc("2026-10-25T01:30:00Z"));  // 02:30 CET
  RetentionRules rules;
  rules.hourly = 2;
  EXPECT_THAT(line.kept(rules), ElementsAre(1, 2));
}

TEST(Retention, DailyCountsLocalDaysThroughTheChangesOfTheClock) {
  const LocalZone zone{kBerlin};
  Line line;
  line.add(utc("2026-03-28T23:30:00Z"));  // the 29th, 00:30 CET
  line.add(utc("2026-03-29T21:30:00Z"));  // the 29th, 23:30 CEST
  line.add(utc("2026-03-29T22:30:00Z"));  // the 30th, 00:30 CEST
  line.add(utc("2026-03-30T21:30:00Z"));  // the 30th, 23:30 CEST
  line.add(utc("2026-03-30T22:30:00Z"));  // the 31st, 00:30 CEST
  EXPECT_THAT(line.kept(daily(3)), ElementsAre(1, 3, 4));
}

TEST(Retention, ForgedFutureTimesPushNothingOut) {
  const LocalZone zone{"UTC0"};
  Line line;
  for (int day = 1; day <= 10; ++day) line.add(noon(day));
  for (int year = 1; year <= 20; ++year) {
    line.add(utc("9000-01-01T00:00:00Z") + year * 366 * kDay, Timestamp{noon(10) + year, 0},
             Role::ingest);
  }
  // They all count as made on the 10th: one of them is that day's newest.
  RetentionRules rules = daily(5);
  rules.yearly = 1;
  EXPECT_THAT(line.kept(rules), ElementsAre(5, 6, 7, 8, 29));
}

TEST(Retention, ForgedPastTimesPushNothingOut) {
  const LocalZone zone{"UTC0"};
  Line line;
  for (int day = 1; day <= 10; ++day) line.add(noon(day));
  for (int day = 1; day <= 10; ++day) {
    line.add(noon(day) + kHour, Timestamp{noon(10) + 2 * kHour, 0}, Role::ingest);
  }
  const auto kept = line.kept(daily(5));
  for (const std::size_t real : {5U, 6U, 7U, 8U}) {
    EXPECT_THAT(kept, ::testing::Contains(real)) << "pushed out";
  }
}

TEST(Retention, AStoreThatLostItsTimesPushesNothingOut) {
  const LocalZone zone{"UTC0"};
  Line line;
  // Copied file by file on the 20th.
  for (int day = 1; day <= 10; ++day) {
    line.add(noon(day), Timestamp{noon(20) - day, 0}, Role::ingest);
  }
  const auto kept = line.kept(daily(5));
  for (std::size_t at = 5; at < 10; ++at) EXPECT_THAT(kept, ::testing::Contains(at));
}

TEST(Retention, AFloodOfAnIngestKeyCountsAsOneForLast) {
  const LocalZone zone{"UTC0"};
  Line line;
  for (int day = 1; day <= 3; ++day) line.add(noon(day), Role::ingest);
  for (int i = 0; i < 100; ++i) line.add(noon(4) + i, Role::ingest);
  const auto kept = line.kept(last(3));
  EXPECT_THAT(kept, ::testing::Not(::testing::Contains(0)));
  EXPECT_THAT(kept, ::testing::IsSupersetOf({1, 2, 3, 102}));
}

TEST(Retention, OfAFullKeyLastCountsEachSnapshot) {
  const LocalZone zone{"UTC0"};
  Line line;
  for (int i = 0; i < 10; ++i) line.add(noon(4) + i);
  EXPECT_THAT(line.kept(last(3)), ElementsAre(7, 8, 9));
}

// The rules once more, from their words: no order, no state, units as strftime writes them.
namespace model {

struct Item {
  std::int64_t time_s;
  std::tuple<Timestamp, Timestamp, SnapshotId> key;
  Role role;
};

std::string unit(std::int64_t time_s, const char* format) {
  const time_t time = time_s;
  std::tm local{};
  ::localtime_r(&time, &local);
  std::ostringstream text;
  text << std::put_time(&local, format);
  return text.str();
}

/// By mktime, which puts days right itself.
std::int64_t before(std::int64_t time_s, const Period& period) {
  const time_t time = time_s;
  std::tm local{};
  ::localtime_r(&time, &local);
  std::tm wanted = local;
  wanted.tm_mon -= static_cast<int>(period.months);
  for (;; --wanted.tm_mday) {
    std::tm tried = wanted;
    tried.tm_isdst = -1;
    tried.tm_hour = 12;
    ::mktime(&tried);
    if (tried.tm_mday == wanted.tm_mday) break;
  }
  wanted.tm_mday -= static_cast<int>(period.days);
  std::optional<std::int64_t> earliest;
  std::int64_t any = 0;
  for (const int dst : {0, 1}) {
    std::tm tried = wanted;
    tried.tm_isdst = dst;
    const std::int64_t at = ::mktime(&tried);
    any = dst == 0 ? at : std::min(any, at);
    const bool shows = tried.tm_hour == local.tm_hour && tried.tm_min == local.tm_min;
    if (shows) earliest = std::min(at, earliest.value_or(at));
  }
  return earliest.value_or(any) - std::int64_t{period.hours} * kHour;
}

bool keeps_unit(const std::vector<Item>& all, const Item& item, const char* format,
                std::uint32_t count) {
  std::set<std::string> later;
  const std::string own = unit(item.time_s, format);
  for (const Item& other : all) {
    if (other.key <= item.key) continue;
    const std::string theirs = unit(other.time_s, format);
    if (theirs == own) return false;
    later.insert(theirs);
  }
  return later.size() < count;
}

bool keeps_last(const std::vector<Item>& all, const Item& item, std::uint32_t count) {
  std::set<std::string> hours;
  std::size_t full = 0;
  for (const Item& other : all) {
    if (other.key < item.key) continue;
    if (other.role == Role::full) {
      ++full;
    } else {
      hours.insert(unit(other.time_s, "%F %H %z"));
    }
  }
  return full + hours.size() <= count;
}

bool keeps(const std::vector<ListedSnapshot>& line, std::size_t at, bool by_store, KeepRule rule,
           const RetentionRules& rules) {
  std::vector<Item> all;
  for (const ListedSnapshot& each : line) {
    const Timestamp time = by_store && each.stored_at
                               ? *each.stored_at
                               : std::min(each.line_time, each.snapshot->time);
    all.push_back({time.s, {time, each.line_time, each.snapshot->id}, each.snapshot->author.role});
  }
  const Item& item = all[at];
  switch (rule) {
    case KeepRule::held: return line[at].held;
    case KeepRule::tag:
      return std::any_of(rules.tags.begin(), rules.tags.end(), [&](const std::string& tag) {
        return std::count(line[at].tags.begin(), line[at].tags.end(), tag) > 0;
      });
    case KeepRule::last: return rules.last && keeps_last(all, item, *rules.last);
    case KeepRule::hourly: return rules.hourly && keeps_unit(all, item, "%F %H %z", *rules.hourly);
    case KeepRule::daily: return rules.daily && keeps_unit(all, item, "%F", *rules.daily);
    case KeepRule::weekly: return rules.weekly && keeps_unit(all, item, "%G-%V", *rules.weekly);
    case KeepRule::monthly: return rules.monthly && keeps_unit(all, item, "%Y-%m", *rules.monthly);
    case KeepRule::yearly: return rules.yearly && keeps_unit(all, item, "%Y", *rules.yearly);
    case KeepRule::within: {
      if (!rules.within) return false;
      std::int64_t newest = item.time_s;
      for (const Item& other : all) newest = std::max(newest, other.time_s);
      return item.time_s >= model::before(newest, *rules.within);
    }
  }
  return false;
}

}  // namespace model

constexpr const char* kZones[] = {"UTC0",
                                  kBerlin,
                                  "EST5EDT,M3.2.0,M11.1.0",
                                  "NZST-12NZDT,M9.5.0,M4.1.0/3",
                                  "LHST-10:30LHDT-11,M10.1.0,M4.1.0",
                                  "<-03>3<-02>,M10.3.0/0,M2.3.0/0"};

std::string describe(const std::vector<ListedSnapshot>& line, const RetentionRules& rules) {
  std::string text;
  for (std::size_t i = 0; i < line.size(); ++i) {
    text += fmt::format("{}: {} {} {}\n", i, iso_time(line[i].snapshot->time),
                        line[i].stored_at ? iso_time(*line[i].stored_at) : "-",
                        to_string(line[i].snapshot->author.role));
  }
  const auto number = [](const auto& count) { return count ? fmt::format("{}", *count) : "-"; };
  return text + fmt::format("last {} hourly {} daily {} weekly {} monthly {} yearly {} within {}\n",
                            number(rules.last), number(rules.hourly), number(rules.daily),
                            number(rules.weekly), number(rules.monthly), number(rules.yearly),
                            rules.within ? fmt::format("{}m{}d{}h", rules.within->months,
                                                       rules.within->days, rules.within->hours)
                                         : "-");
}

TEST(Retention, KeepsWhatTheModelKeeps) {
  std::mt19937_64 random{testing::test_seed()};
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  const auto maybe = [&]() -> std::optional<std::uint32_t> {
    if (below(2) == 0) return std::nullopt;
    return static_cast<std::uint32_t>(below(7));
  };
  const int rounds = testing::test_size(3000, 300);
  for (int round = 0; round < rounds; ++round) {
    const LocalZone zone{kZones[below(std::size(kZones))]};
    // Around a change of the clocks, over hours, weeks or years.
    constexpr std::int64_t kSpans[] = {6 * kHour, 10 * kDay, 200 * kDay, 5 * 365 * kDay};
    const auto span = static_cast<std::uint64_t>(kSpans[below(4)]);
    constexpr const char* kStarts[] = {"2026-10-24T22:00:00Z", "2026-03-28T22:00:00Z",
                                       "2026-04-04T12:00:00Z", "2026-11-01T04:00:00Z",
                                       "2026-02-14T23:00:00Z", "2026-12-31T20:00:00Z"};
    const std::int64_t start = utc(kStarts[below(6)]);
    const auto time = [&] {
      const auto s = static_cast<std::int64_t>(below(span));
      return start + (below(2) == 0 ? s : s / kHour * kHour);
    };
    Line line;
    const std::size_t count = below(40);
    for (std::size_t i = 0; i < count; ++i) {
      std::optional<Timestamp> stored_at = Timestamp{time(), 0};
      if (below(5) == 0) stored_at.reset();
      const std::int64_t made = stored_at && below(3) != 0 ? stored_at->s - 2 : time();
      const std::size_t at = line.add(made, stored_at, below(2) == 0 ? Role::full : Role::ingest);
      line[at].held = below(15) == 0;
      if (below(8) == 0) line[at].tags = {"keep"};
    }
    RetentionRules rules{maybe(), maybe(), maybe(), maybe(), maybe(), maybe(), {}, {}};
    if (below(3) == 0) {
      rules.within =
          Period{static_cast<std::uint32_t>(below(3)), static_cast<std::uint32_t>(below(10)),
                 static_cast<std::uint32_t>(below(30))};
    }
    if (below(2) == 0) rules.tags = {"none", "keep"};

    const auto by = line.rules(rules);
    for (std::size_t i = 0; i < count; ++i) {
      for (int number = 0; number <= static_cast<int>(KeepRule::tag); ++number) {
        const auto rule = static_cast<KeepRule>(number);
        const bool expected = model::keeps(line.all(), i, false, rule, rules) ||
                              model::keeps(line.all(), i, true, rule, rules);
        ASSERT_EQ(by[i].contains(rule), expected)
            << to_string(rule) << " of " << i << " in round " << round << " with TZ "
            << std::getenv("TZ") << "\n"
            << describe(line.all(), rules);
      }
    }
  }
}

}  // namespace
}  // namespace vgerfs::repo
