#include "server/byte_range.h"

#include <algorithm>
#include <charconv>
#include <optional>

namespace vgerfs::server {
namespace {

std::optional<std::uint64_t> parse_number(std::string_view text) {
  std::uint64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || failure != std::errc{} || end != text.data() + text.size()) {
    return std::nullopt;
  }
  return value;
}

}  // namespace

ByteRange parse_byte_range(std::string_view header, std::uint64_t object_bytes) {
  const ByteRange whole{ByteRange::Kind::whole, 0, object_bytes};
  constexpr std::string_view kUnit = "bytes=";
  if (header.substr(0, kUnit.size()) != kUnit) return whole;
  const std::string_view spec = header.substr(kUnit.size());
  const std::size_t dash = spec.find('-');
  if (dash == std::string_view::npos) return whole;
  const std::string_view first = spec.substr(0, dash);
  const std::string_view last = spec.substr(dash + 1);
  const ByteRange unsatisfiable{ByteRange::Kind::unsatisfiable, 0, 0};

  if (first.empty()) {
    const auto suffix = parse_number(last);
    if (!suffix) return whole;
    const std::uint64_t bytes = std::min(*suffix, object_bytes);
    if (bytes == 0) return unsatisfiable;
    return {ByteRange::Kind::part, object_bytes - bytes, bytes};
  }
  const auto from = parse_number(first);
  const auto to = last.empty() ? std::optional{UINT64_MAX} : parse_number(last);
  if (!from || !to || *to < *from) return whole;
  // An empty object has no bytes to name; whoever asks for all of it shall have it.
  if (object_bytes == 0 && *from == 0) return whole;
  if (*from >= object_bytes) return unsatisfiable;
  return {ByteRange::Kind::part, *from, std::min(*to, object_bytes - 1) - *from + 1};
}

}  // namespace vgerfs::server
