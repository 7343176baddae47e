#include "repo/maintenance/retention.h"

#include <algorithm>
#include <numeric>
#include <tuple>

namespace vgerfs::repo {
namespace {

enum class TimeOf { line, store };

Timestamp time_of(const ListedSnapshot& listed, TimeOf which) {
  return which == TimeOf::store ? listed.stored_at.value_or(listed.line_time) : listed.line_time;
}

struct CountedUnits {
  KeepRule rule;
  CalendarUnit unit;
  std::optional<std::uint32_t> RetentionRules::*count;
};
constexpr CountedUnits kCountedUnits[] = {
    {KeepRule::hourly, CalendarUnit::hour, &RetentionRules::hourly},
    {KeepRule::daily, CalendarUnit::day, &RetentionRules::daily},
    {KeepRule::weekly, CalendarUnit::week, &RetentionRules::weekly},
    {KeepRule::monthly, CalendarUnit::month, &RetentionRules::monthly},
    {KeepRule::yearly, CalendarUnit::year, &RetentionRules::yearly},
};

/// One line by one of its times, newest first.
class Line {
 public:
  Line(std::span<const ListedSnapshot* const> line, TimeOf which,
       std::vector<std::set<KeepRule>>& kept)
      : line_(line), which_(which), kept_(kept), order_(line.size()) {
    std::iota(order_.begin(), order_.end(), std::size_t{0});
    const auto key = [&](std::size_t i) {
      return std::tuple{time_of(*line_[i], which_), line_[i]->line_time, line_[i]->snapshot->id};
    };
    std::sort(order_.begin(), order_.end(),
              [&](std::size_t a, std::size_t b) { return key(b) < key(a); });
  }

  void keep_last(std::uint32_t count) {
    std::uint32_t counted = 0;
    std::optional<std::int64_t> hour;  // of the ingest keys' last one that was counted
    for (const std::size_t i : order_) {
      if (line_[i]->snapshot->author.role == Role::ingest) {
        const std::int64_t own = unit_of(CalendarUnit::hour, seconds(i));
        if (hour != own) ++counted;
        hour = own;
      } else {
        ++counted;
      }
      if (counted > count) return;
      kept_[i].insert(KeepRule::last);
    }
  }

  void keep_units(const CountedUnits& units, std::uint32_t count) {
    std::uint32_t counted = 0;
    std::optional<std::int64_t> last;
    for (const std::size_t i : order_) {
      const std::int64_t own = unit_of(units.unit, seconds(i));
      if (last == own) continue;
      last = own;
      if (++counted > count) return;
      kept_[i].insert(units.rule);
    }
  }

  void keep_within(const Period& period) {
    if (order_.empty()) return;
    const Timestamp newest = time_of(*line_[order_.front()], which_);
    const Timestamp oldest{before(newest.s, period), newest.ns};
    for (const std::size_t i : order_) {
      if (time_of(*line_[i], which_) < oldest) return;
      kept_[i].insert(KeepRule::within);
    }
  }

 private:
  std::int64_t seconds(std::size_t i) const { return time_of(*line_[i], which_).s; }

  std::span<const ListedSnapshot* const> line_;
  const TimeOf which_;
  std::vector<std::set<KeepRule>>& kept_;
  std::vector<std::size_t> order_;
};

}  // namespace

bool RetentionRules::any() const noexcept {
  return last || hourly || daily || weekly || monthly || yearly || within || !tags.empty();
}

std::string_view to_string(KeepRule rule) noexcept {
  switch (rule) {
    case KeepRule::held: return "held";
    case KeepRule::last: return "last";
    case KeepRule::hourly: return "hourly";
    case KeepRule::daily: return "daily";
    case KeepRule::weekly: return "weekly";
    case KeepRule::monthly: return "monthly";
    case KeepRule::yearly: return "yearly";
    case KeepRule::within: return "within";
    case KeepRule::tag: return "tag";
  }
  return "";
}

std::vector<std::set<KeepRule>> rules_that_keep(std::span<const ListedSnapshot* const> line,
                                                const RetentionRules& rules) {
  std::vector<std::set<KeepRule>> kept(line.size());
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i]->held) kept[i].insert(KeepRule::held);
    const auto& tags = line[i]->tags;
    if (std::find_first_of(tags.begin(), tags.end(), rules.tags.begin(), rules.tags.end()) !=
        tags.end()) {
      kept[i].insert(KeepRule::tag);
    }
  }
  for (const TimeOf which : {TimeOf::line, TimeOf::store}) {
    Line ordered{line, which, kept};
    if (rules.last) ordered.keep_last(*rules.last);
    for (const CountedUnits& units : kCountedUnits) {
      if (const auto count = rules.*units.count) ordered.keep_units(units, *count);
    }
    if (rules.within) ordered.keep_within(*rules.within);
  }
  return kept;
}

}  // namespace vgerfs::repo
