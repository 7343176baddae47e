#include "server/credential.h"

#include <strings.h>
#include <sys/random.h>

#include <array>
#include <cerrno>
#include <cstdint>

#include "base/error.h"

namespace vgerfs::server {
namespace {

/// nullopt unless all of it is base64 (padding may be missing).
std::optional<std::string> decode_base64(std::string_view text) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  while (!text.empty() && text.back() == '=') text.remove_suffix(1);
  std::string out;
  std::uint32_t bits = 0;
  int count = 0;
  for (const char digit : text) {
    const std::size_t value = kDigits.find(digit);
    if (value == std::string_view::npos) return std::nullopt;
    bits = (bits << 6) | static_cast<std::uint32_t>(value);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    out += static_cast<char>((bits >> count) & 0xff);
  }
  return out;
}

/// What follows "SCHEME "; schemes are compared without case (RFC 9110 section 11.1).
std::optional<std::string_view> after_scheme(std::string_view text, std::string_view scheme) {
  if (text.size() <= scheme.size() || text[scheme.size()] != ' ' ||
      ::strncasecmp(text.data(), scheme.data(), scheme.size()) != 0) {
    return std::nullopt;
  }
  text.remove_prefix(scheme.size());
  text.remove_prefix(std::min(text.find_first_not_of(' '), text.size()));
  return text;
}

}  // namespace

std::string new_token() {
  std::array<std::byte, 32> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw system_error(errno, "drawing a token");
  }
  return "vgt_" + to_hex(random);
}

Sha256Digest hash_token(std::string_view token) { return sha256(bytes_of(token)); }

std::optional<std::string> presented_token(std::string_view authorization) {
  if (const auto token = after_scheme(authorization, "Bearer")) {
    return token->empty() ? std::nullopt : std::optional{std::string{*token}};
  }
  const auto encoded = after_scheme(authorization, "Basic");
  const auto pair = encoded ? decode_base64(*encoded) : std::nullopt;
  if (!pair) return std::nullopt;
  const std::size_t colon = pair->find(':');
  if (colon == std::string::npos || colon + 1 == pair->size()) return std::nullopt;
  return pair->substr(colon + 1);
}

bool equal_in_constant_time(const Sha256Digest& one, const Sha256Digest& other) noexcept {
  // volatile: or the compiler might stop at the first difference.
  volatile unsigned difference = 0;
  for (std::size_t i = 0; i < one.size(); ++i) {
    difference = difference | std::to_integer<unsigned>(one[i] ^ other[i]);
  }
  return difference == 0;
}

}  // namespace vgerfs::server
