#include "cli/quantity.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <iterator>
#include <limits>
#include <utility>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/output.h"

namespace vgerfs::cli {
namespace {

constexpr std::int64_t kMinute = 60;
constexpr std::int64_t kHour = 60 * kMinute;
constexpr std::int64_t kDay = 24 * kHour;
constexpr std::int64_t kMaxDuration = 1000 * 365 * kDay;

constexpr std::pair<std::string_view, std::int64_t> kDurationUnits[] = {
    {"s", 1},    {"m", kMinute},  {"min", kMinute}, {"h", kHour},
    {"d", kDay}, {"w", 7 * kDay}, {"y", 365 * kDay}};

struct PeriodUnit {
  std::string_view name;
  std::uint32_t repo::Period::*part;
  std::uint32_t times;
};
constexpr PeriodUnit kPeriodUnits[] = {{"y", &repo::Period::months, 12},
                                       {"m", &repo::Period::months, 1},
                                       {"w", &repo::Period::days, 7},
                                       {"d", &repo::Period::days, 1},
                                       {"h", &repo::Period::hours, 1}};

constexpr std::string_view kSizeUnits[] = {"", "K", "M", "G", "T", "P"};

bool is_digit(char c) { return c >= '0' && c <= '9'; }

/// Takes the number at the start of `rest`.
std::optional<std::uint64_t> take_number(std::string_view& rest) {
  std::uint64_t number = 0;
  const auto [end, failure] = std::from_chars(rest.data(), rest.data() + rest.size(), number);
  if (failure != std::errc{}) return std::nullopt;
  rest.remove_prefix(static_cast<std::size_t>(end - rest.data()));
  return number;
}

/// Takes the letters at the start of `rest`.
std::string_view take_unit(std::string_view& rest) {
  std::size_t length = 0;
  while (length < rest.size() && !is_digit(rest[length])) ++length;
  const std::string_view unit = rest.substr(0, length);
  rest.remove_prefix(length);
  return unit;
}

}  // namespace

std::optional<std::chrono::seconds> parse_duration(std::string_view text) {
  std::int64_t total = 0;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const auto number = take_number(text);
    const std::string_view unit = take_unit(text);
    std::int64_t seconds = 0;
    for (const auto& [name, value] : kDurationUnits) {
      if (name == unit) seconds = value;
    }
    if (!number || seconds == 0 ||
        *number > static_cast<std::uint64_t>((kMaxDuration - total) / seconds)) {
      return std::nullopt;
    }
    total += static_cast<std::int64_t>(*number) * seconds;
  }
  return std::chrono::seconds{total};
}

std::chrono::seconds duration_option(std::string_view option, std::string_view text) {
  if (const auto duration = parse_duration(text)) return *duration;
  throw Error{ErrorCode::usage, fmt::format("{} {} is not a duration", option, printable(text)),
              "for instance 36h or 7d"};
}

std::optional<repo::Period> parse_period(std::string_view text) {
  repo::Period period;
  while (!text.empty()) {
    const auto number = take_number(text);
    const std::string_view name = take_unit(text);
    const auto* const unit =
        std::find_if(std::begin(kPeriodUnits), std::end(kPeriodUnits),
                     [&](const PeriodUnit& known) { return known.name == name; });
    if (!number || unit == std::end(kPeriodUnits)) return std::nullopt;
    std::uint32_t& part = period.*unit->part;
    if (*number > (repo::kMaxPeriod.*unit->part - part) / unit->times) return std::nullopt;
    part += static_cast<std::uint32_t>(*number) * unit->times;
  }
  if (period == repo::Period{}) return std::nullopt;
  return period;
}

std::string format_period(const repo::Period& period) {
  std::string text;
  const auto add = [&](std::uint32_t number, char unit) {
    if (number > 0) text += fmt::format("{}{}", number, unit);
  };
  add(period.months / 12, 'y');
  add(period.months % 12, 'm');
  add(period.days, 'd');
  add(period.hours, 'h');
  return text;
}

std::optional<std::uint64_t> parse_size(std::string_view text) {
  const auto number = take_number(text);
  if (!number) return std::nullopt;
  if (text.ends_with("iB")) {
    text.remove_suffix(2);
    if (text.empty()) return std::nullopt;
  }
  for (std::size_t i = 0; i < std::size(kSizeUnits); ++i) {
    if (text != kSizeUnits[i]) continue;
    const unsigned shift = static_cast<unsigned>(10 * i);
    if (*number > std::numeric_limits<std::uint64_t>::max() >> shift) return std::nullopt;
    return *number << shift;
  }
  return std::nullopt;
}

std::string format_size(std::uint64_t bytes) {
  constexpr std::array kUnits = {"B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
  if (bytes < 1024) return fmt::format("{} B", bytes);
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  // 1023.5 would be printed as 1024: the next unit reads better.
  while (value >= 1023.5 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  if (value < 9.995) return fmt::format("{:.2f} {}", value, kUnits[unit]);
  if (value < 99.95) return fmt::format("{:.1f} {}", value, kUnits[unit]);
  return fmt::format("{:.0f} {}", value, kUnits[unit]);
}

std::string format_duration(std::chrono::seconds duration) {
  const std::int64_t s = duration.count() < 0 ? 0 : duration.count();
  if (s < kHour) return fmt::format("{}:{:02}", s / kMinute, s % kMinute);
  return fmt::format("{}:{:02}:{:02}", s / kHour, s % kHour / kMinute, s % kMinute);
}

std::string format_count(std::uint64_t count, std::string_view noun) {
  return fmt::format("{} {}{}", count, noun, count == 1 ? "" : "s");
}

}  // namespace vgerfs::cli
