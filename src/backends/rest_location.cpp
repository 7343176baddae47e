#include "backends/rest_location.h"

#include <algorithm>
#include <utility>

#include "base/error.h"

namespace vgerfs::backends {
namespace {

constexpr std::string_view kRest = "rest:";
constexpr std::string_view kHttp = "http://";
constexpr std::string_view kHttps = "https://";
constexpr std::string_view kUnix = "http+unix://";

/// Characters of a URL (RFC 3986) but ? and #.
bool is_url_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view{"-._~:/[]@!$&'()*+,;=%"}.find(c) != std::string_view::npos;
}

bool is_loopback_host(std::string_view host) {
  if (host == "localhost" || host == "[::1]") return true;
  const bool is_address = host.find_first_not_of("0123456789.") == std::string_view::npos;
  return is_address && host.starts_with("127.");
}

/// "a/b/": what requests append to.
std::string checked_path(std::string_view path, const auto& refuse) {
  std::string clean;
  while (!path.empty()) {
    const std::size_t slash = path.find('/');
    const std::string_view segment = path.substr(0, slash);
    path = slash == std::string_view::npos ? std::string_view{} : path.substr(slash + 1);
    if (segment.empty() || segment == "." || segment == "..") {
      refuse("has a path with an empty part, . or ..");
    }
    clean += segment;
    clean += '/';
  }
  return clean;
}

}  // namespace

bool is_rest_location(std::string_view location) {
  if (location.starts_with(kRest)) location.remove_prefix(kRest.size());
  return location.starts_with(kHttp) || location.starts_with(kHttps) || location.starts_with(kUnix);
}

RestLocation parse_rest_location(std::string_view location) {
  // The text may hold a password: no message repeats it.
  const auto refuse = [](std::string_view why, std::string hint = {}) {
    throw Error{ErrorCode::usage, fmt::format("the repository's URL {}", why), std::move(hint)};
  };
  if (location.starts_with(kRest)) location.remove_prefix(kRest.size());
  if (location.find_first_of("?#") != std::string_view::npos) {
    refuse("has a query or a fragment", "remove what begins with ? or #");
  }
  if (!std::all_of(location.begin(), location.end(), is_url_character)) {
    refuse("has a character that no URL has", "write it as %XX");
  }
  RestLocation parsed;
  if (location.starts_with(kUnix)) {
    location.remove_prefix(kUnix.size());
    const std::size_t colon = location.find(':');
    parsed.unix_socket = location.substr(0, colon);
    if (!parsed.unix_socket.starts_with('/')) {
      refuse("names no socket", "write http+unix:///path/of/the/socket:/repository");
    }
    std::string_view path =
        colon == std::string_view::npos ? std::string_view{} : location.substr(colon + 1);
    if (path.starts_with('/')) path.remove_prefix(1);
    const std::string clean = checked_path(path, refuse);
    parsed.base = "http://localhost/" + clean;
    parsed.shown = fmt::format("{}{}:/{}", kUnix, parsed.unix_socket, clean);
    parsed.is_loopback = true;
  } else {
    parsed.is_encrypted = location.starts_with(kHttps);
    const std::string_view scheme = parsed.is_encrypted ? kHttps : kHttp;
    if (!location.starts_with(scheme)) refuse("is none of http:// or https://");
    location.remove_prefix(scheme.size());
    const std::size_t slash = location.find('/');
    std::string_view authority = location.substr(0, slash);
    const std::string_view path =
        slash == std::string_view::npos ? std::string_view{} : location.substr(slash + 1);
    if (const std::size_t at = authority.rfind('@'); at != std::string_view::npos) {
      parsed.user = authority.substr(0, at);
      authority.remove_prefix(at + 1);
      if (parsed.user.find_first_of(":@%") != std::string::npos) {
        refuse("holds a password, or a name with : @ or %",
               "put the password into a file that rest_token_file names, or into "
               "VGERFS_REST_TOKEN, and the name into rest_user");
      }
    }
    const std::size_t colon = authority.rfind(':');
    const std::size_t bracket = authority.rfind(']');
    const bool has_port =
        colon != std::string_view::npos && (bracket == std::string_view::npos || colon > bracket);
    const std::string_view host = authority.substr(0, has_port ? colon : authority.size());
    const std::string_view port = has_port ? authority.substr(colon + 1) : "0";
    if (host.empty() || (bracket == std::string_view::npos && host.find(':') != host.npos)) {
      refuse("names no host");
    }
    if (port.empty() || port.size() > 5 || port.find_first_not_of("0123456789") != port.npos) {
      refuse("has a port that is no number");
    }
    parsed.is_loopback = is_loopback_host(host);
    parsed.base = fmt::format("{}{}/{}", scheme, authority, checked_path(path, refuse));
    parsed.shown = parsed.base;
  }
  if (parsed.shown.ends_with('/')) parsed.shown.pop_back();
  return parsed;
}

}  // namespace vgerfs::backends
