// Times in HTTP headers (RFC 9110 section 5.6.7).
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

namespace vgerfs::backends {

/// Seconds since 1970 from "Sun, 06 Nov 1994 08:49:37 GMT"; nullopt for all else.
std::optional<std::int64_t> parse_http_date(std::string_view text);

}  // namespace vgerfs::backends
