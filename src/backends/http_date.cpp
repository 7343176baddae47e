#include "backends/http_date.h"

#include <time.h>  // NOLINT(modernize-deprecated-headers): timegm is declared here only

#include <charconv>

namespace vgerfs::backends {

std::optional<std::int64_t> parse_http_date(std::string_view text) {
  constexpr std::string_view kForm = "Sun, 06 Nov 1994 08:49:37 GMT";
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (text.size() != kForm.size() || text.substr(25) != " GMT") return std::nullopt;
  bool is_valid = true;
  const auto number = [&](std::size_t at, std::size_t size) {
    int value = 0;
    const char* const end = text.data() + at + size;
    const auto [stop, failure] = std::from_chars(text.data() + at, end, value);
    is_valid = is_valid && failure == std::errc{} && stop == end && value >= 0;
    return value;
  };
  const std::size_t month = kMonths.find(text.substr(8, 3));
  struct tm parts {};
  parts.tm_mday = number(5, 2);
  parts.tm_year = number(12, 4) - 1900;
  parts.tm_hour = number(17, 2);
  parts.tm_min = number(20, 2);
  parts.tm_sec = number(23, 2);
  if (!is_valid || month == std::string_view::npos || month % 3 != 0) return std::nullopt;
  parts.tm_mon = static_cast<int>(month / 3);
  return ::timegm(&parts);
}

}  // namespace vgerfs::backends
