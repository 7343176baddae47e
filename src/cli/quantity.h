// Sizes and durations as people write and read them.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "repo/maintenance/calendar.h"

namespace vgerfs::cli {

/// "90s", "5m" or "5min", "36h", "1d12h", "2w", "1y" (365 days): numbers with units, largest first
/// or not. A bare number has no meaning. nullopt if the text is not one or exceeds 1000 years.
std::optional<std::chrono::seconds> parse_duration(std::string_view text);

/// The same of an option's value, for instance --grace. Throws Error{usage}.
std::chrono::seconds duration_option(std::string_view option, std::string_view text);

/// "30d", "1y6m", "48h": a period of the calendar, where m is a month. nullopt if the text is not
/// one, is nothing, or exceeds 1000 years.
std::optional<repo::Period> parse_period(std::string_view text);

/// As parse_period reads it: "1y6m".
std::string format_period(const repo::Period& period);

/// "4096", "64K", "512M", "8G", "2T" (powers of 1024; also KiB, MiB, …). nullopt if the text is not
/// one.
std::optional<std::uint64_t> parse_size(std::string_view text);

/// "0 B", "1023 B", "1.5 KiB", "3.21 GiB": at most four characters of number.
std::string format_size(std::uint64_t bytes);

/// "0:07", "12:34", "3:04:05".
std::string format_duration(std::chrono::seconds duration);

/// "1 file", "2 files": the plural of `noun` by an s.
std::string format_count(std::uint64_t count, std::string_view noun);

}  // namespace vgerfs::cli
