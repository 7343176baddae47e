// The URL of a repository behind a REST server, taken apart.
#pragma once

#include <string>
#include <string_view>

namespace vgerfs::backends {

struct RestLocation {
  std::string base;         ///< "https://host:8000/some/repo/", as requests begin
  std::string unix_socket;  ///< path; empty: over the network
  std::string user;         ///< from the URL; may be empty
  std::string shown;        ///< for messages: "https://host:8000/some/repo"
  bool is_encrypted = false;
  bool is_loopback = false;  ///< this machine
};

/// Whether this is the scheme of a REST server.
bool is_rest_location(std::string_view location);

/// `http(s)://[user@]host[:port]/path` or `http+unix:///socket:/path`, also with "rest:" before it
/// as restic writes it. Throws Error{usage}; a password in the URL is such an error, too, since
/// URLs end up in process lists and logs.
RestLocation parse_rest_location(std::string_view location);

}  // namespace vgerfs::backends
