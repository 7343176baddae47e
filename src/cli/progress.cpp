#include "cli/progress.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include "cli/quantity.h"

namespace vgerfs::cli {
namespace {

constexpr std::int64_t kSecond = 1'000'000'000;
constexpr std::int64_t kLineInterval = kSecond / 5;
constexpr std::int64_t kJsonInterval = kSecond;
/// Return, erase the line.
constexpr std::string_view kClear = "\r\x1b[K";

/// Bytes per second; 0 as long as it cannot be told.
std::uint64_t rate(std::uint64_t bytes, std::int64_t elapsed_ns) {
  if (elapsed_ns < kSecond / 2) return 0;
  return static_cast<std::uint64_t>(static_cast<double>(bytes) * 1e9 /
                                    static_cast<double>(elapsed_ns));
}

std::optional<std::chrono::seconds> time_left(const ProgressCounts& counts,
                                              std::int64_t elapsed_ns) {
  const std::uint64_t per_second = rate(counts.bytes, elapsed_ns);
  if (!counts.total_bytes || per_second == 0 || counts.bytes > *counts.total_bytes)
    return std::nullopt;
  return std::chrono::seconds{
      static_cast<std::int64_t>((*counts.total_bytes - counts.bytes) / per_second)};
}

/// The end of a text, marked where it was cut; UTF-8 characters stay whole.
std::string last_part(std::string_view text, std::size_t columns) {
  if (text.size() <= columns) return std::string{text};
  if (columns < 8) return {};
  text.remove_prefix(text.size() - columns + 1);
  while (!text.empty() && (static_cast<unsigned char>(text[0]) & 0xC0) == 0x80)
    text.remove_prefix(1);
  return fmt::format("…{}", text);
}

}  // namespace

Progress::Progress(std::string activity, std::string noun, const Output& output, const Io& io)
    : activity_(std::move(activity)),
      noun_(std::move(noun)),
      io_(io),
      style_(output.options().json    ? (output.options().verbose > 0 ? Style::json : Style::none)
             : output.options().quiet ? Style::none
             : io.is_terminal(io.err) ? Style::line
                                      : Style::none),
      started_ns_(io.clock->boot_ns()) {}

Progress::~Progress() { clear(); }

void Progress::update(const ProgressCounts& counts, std::string_view current) {
  if (style_ == Style::none) return;
  const std::int64_t now = io_.clock->boot_ns();
  const std::lock_guard lock{mutex_};
  if (now < next_ns_) return;
  next_ns_ = now + (style_ == Style::line ? kLineInterval : kJsonInterval);
  try {
    print(io_.err, style_ == Style::line ? line(counts, current) : json(counts));
    drawn_ = style_ == Style::line;
  } catch (const Error&) {
    // Work goes on without a display.
    next_ns_ = INT64_MAX;
  }
}

void Progress::clear() {
  const std::lock_guard lock{mutex_};
  if (!drawn_) return;
  drawn_ = false;
  next_ns_ = 0;
  try {
    print(io_.err, kClear);
  } catch (const Error&) {
    return;
  }
}

std::string Progress::line(const ProgressCounts& counts, std::string_view current) const {
  const std::int64_t elapsed_ns = io_.clock->boot_ns() - started_ns_;
  std::string text =
      fmt::format("{}  ", format_duration(std::chrono::seconds{elapsed_ns / kSecond}));
  if (counts.total_bytes && *counts.total_bytes > 0) {
    const double part =
        static_cast<double>(counts.bytes) / static_cast<double>(*counts.total_bytes);
    text += fmt::format("{:3.0f} %  ", std::min(100.0, 100 * part));
  }
  text += counts.total_items
              ? fmt::format("{}/{}", counts.items, format_count(*counts.total_items, noun_))
              : format_count(counts.items, noun_);
  text += fmt::format("  {}", format_size(counts.bytes));
  if (counts.total_bytes) text += fmt::format("/{}", format_size(*counts.total_bytes));
  if (const std::uint64_t per_second = rate(counts.bytes, elapsed_ns); per_second > 0) {
    text += fmt::format("  {}/s", format_size(per_second));
  }
  if (const auto left = time_left(counts, elapsed_ns))
    text += fmt::format("  {} left", format_duration(*left));
  // The last column stays free: some terminals wrap when it is written.
  const std::size_t columns = io_.terminal_columns() - 1;
  if (text.size() > columns) text.resize(columns);
  if (!current.empty() && text.size() + 2 < columns) {
    text += fmt::format("  {}", last_part(printable(current), columns - text.size() - 2));
  }
  return fmt::format("{}{}", kClear, text);
}

std::string Progress::json(const ProgressCounts& counts) const {
  const std::int64_t elapsed_ns = io_.clock->boot_ns() - started_ns_;
  Json fields{{"activity", activity_},
              {"elapsed_s", elapsed_ns / kSecond},
              {noun_ + "s", counts.items},
              {"bytes", counts.bytes}};
  if (counts.total_items) fields["total_" + noun_ + "s"] = *counts.total_items;
  if (counts.total_bytes) fields["total_bytes"] = *counts.total_bytes;
  if (const std::uint64_t per_second = rate(counts.bytes, elapsed_ns); per_second > 0) {
    fields["bytes_per_second"] = per_second;
  }
  if (const auto left = time_left(counts, elapsed_ns)) fields["seconds_left"] = left->count();
  return to_line(Json{{"progress", std::move(fields)}});
}

}  // namespace vgerfs::cli
