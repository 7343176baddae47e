#include "backends/open_backend.h"

#include <cctype>
#include <utility>

#include "backends/local_backend.h"
#include "backends/rest_backend.h"
#include "backends/rest_location.h"
#include "base/bytes.h"
#include "base/error.h"

namespace vgerfs::backends {
namespace {

enum class Kind { local, remote };

struct Scheme {
  std::string_view prefix;
  Kind kind;
};

/// All schemes. What is not here is no scheme of ours.
constexpr Scheme kSchemes[] = {
    {"file:", Kind::local},       {"http:", Kind::remote}, {"https:", Kind::remote},
    {"http+unix:", Kind::remote}, {"rest:", Kind::remote}, {"s3:", Kind::remote},
    {"sftp:", Kind::remote},
};

const Scheme* find_scheme(std::string_view text) {
  for (const Scheme& scheme : kSchemes) {
    if (text.starts_with(scheme.prefix)) return &scheme;
  }
  return nullptr;
}

/// "x-y+z://": what nobody means as a path.
bool has_url_form(std::string_view text) {
  const std::size_t end = text.find("://");
  if (end == std::string_view::npos || end == 0) return false;
  for (const char c : text.substr(0, end)) {
    if (std::isalnum(static_cast<unsigned char>(c)) == 0 && c != '+' && c != '-' && c != '.') {
      return false;
    }
  }
  return true;
}

[[noreturn]] void refuse(std::string_view location, std::string_view why, std::string hint = {}) {
  throw Error{ErrorCode::usage, fmt::format("'{}' {}", redacted_location(location), why),
              std::move(hint)};
}

std::string decode_percent(std::string_view text, std::string_view location) {
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      out.push_back(text[i]);
      continue;
    }
    const auto byte = parse_hex(text.substr(i + 1, 2));
    if (!byte || byte->size() != 1 || byte->front() == std::byte{0}) {
      refuse(location, "has a wrong percent-escape");
    }
    out.push_back(static_cast<char>(byte->front()));
    i += 2;
  }
  return out;
}

/// The path in "file:…".
std::string path_of_file_url(std::string_view location) {
  std::string_view rest = location.substr(std::string_view{"file:"}.size());
  std::string path;
  if (rest.starts_with("//")) {
    rest.remove_prefix(2);
    if (rest.starts_with("localhost/")) rest.remove_prefix(std::string_view{"localhost"}.size());
    if (!rest.starts_with('/')) {
      refuse(location, "names another host", "write file:///path for a directory of this machine");
    }
    path = decode_percent(rest, location);
  } else {
    path = rest;
  }
  if (path.empty()) refuse(location, "has no path");
  return path;
}

/// The path of a local location; throws for all others.
std::string required_local_path(const std::string& location) {
  std::string path = local_path(location);
  if (!path.empty()) return path;
  if (location.empty()) throw Error{ErrorCode::usage, "the location of the repository is empty"};
  if (find_scheme(location) != nullptr || has_url_form(location)) {
    throw Error{ErrorCode::unsupported,
                fmt::format("{}: this kind of location is not in this version",
                            redacted_location(location)),
                "this version keeps repositories in local directories (/path or file:/path) and on "
                "REST servers (https://host/repository)"};
  }
  if (location.front() == '~') {
    refuse(location, "begins with a tilde that no shell has replaced", "write the whole path");
  }
  refuse(location, "is no location of a repository",
         fmt::format("for a directory of that name write ./{}", location));
}

}  // namespace

bool is_location(std::string_view text) {
  return text.find('/') != std::string_view::npos || find_scheme(text) != nullptr;
}

std::string local_path(const std::string& location) {
  if (const Scheme* scheme = find_scheme(location)) {
    return scheme->kind == Kind::local ? path_of_file_url(location) : std::string{};
  }
  const bool is_path = location == "." || location == ".." ||
                       (location.find('/') != std::string::npos && location.front() != '~' &&
                        !has_url_form(location));
  return is_path ? location : std::string{};
}

std::unique_ptr<Backend> open_backend(const std::string& location, RemoteOptions options) {
  if (is_rest_location(location)) return open_rest_backend(location, std::move(options));
  return open_local_backend(required_local_path(location));
}

std::unique_ptr<Backend> create_backend(const std::string& location, RemoteOptions options) {
  if (is_rest_location(location)) return create_rest_backend(location, std::move(options));
  return create_local_backend(required_local_path(location));
}

std::string redacted_location(std::string_view location) {
  const Scheme* scheme = find_scheme(location);
  if (!has_url_form(location) && (scheme == nullptr || scheme->kind == Kind::local)) {
    return std::string{location};  // a path, in which an @ or ? is nothing special
  }
  location = location.substr(0, location.find_first_of("?#"));
  const std::size_t slashes = location.find("://");
  const std::size_t begin = slashes == std::string_view::npos ? scheme->prefix.size() : slashes + 3;
  // The last @ before the path: passwords that should have been escaped hold some, too.
  const std::string_view authority = location.substr(begin, location.find('/', begin) - begin);
  const std::size_t at = authority.rfind('@');
  const std::size_t colon = authority.find(':');
  if (at == std::string_view::npos || colon > at) return std::string{location};
  return fmt::format("{}:***{}", location.substr(0, begin + colon), location.substr(begin + at));
}

}  // namespace vgerfs::backends
