// HTTP requests. The only room that knows libcurl: its multi interface on one thread carries all
// transfers, with connections that stay open and HTTP/2 where a server offers it. One request is
// one attempt; who calls decides what is tried again.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/bytes.h"

namespace vgerfs::backends {

struct HttpSettings {
  std::string authorization;       ///< value of that header; empty: none. Never shown anywhere
  std::string unix_socket;         ///< path; empty: the URL's host
  std::string ca_file;             ///< instead of the system's authorities
  std::string client_certificate;  ///< PEM, with the key unless client_key names it
  std::string client_key;
  bool proxy = true;                       ///< as the environment says
  std::uint64_t upload_bytes_per_s = 0;    ///< 0: no limit; all transfers together
  std::uint64_t download_bytes_per_s = 0;  ///< the same
  unsigned max_transfers = 8;              ///< at a time; others wait
  std::chrono::milliseconds connect_timeout{15'000};
  std::chrono::milliseconds stall_timeout{60'000};    ///< without a byte in either direction
  std::chrono::milliseconds answer_timeout{300'000};  ///< from the body's end to the answer
};

enum class HttpMethod { get, head, post, remove };
std::string_view to_string(HttpMethod method) noexcept;

/// Status and header, and of a refusal the beginning of its text.
struct HttpReply {
  int status = 0;                                            ///< 0: there was none
  std::vector<std::pair<std::string, std::string>> headers;  ///< names in lower case
  std::string text;

  /// The last header of this (lower-case) name; empty if there is none.
  std::string_view header(std::string_view name) const noexcept;
  bool is_success() const noexcept { return status >= 200 && status < 300; }
};

struct HttpRequest {
  HttpMethod method = HttpMethod::get;
  std::string url;
  std::vector<std::string> headers;  ///< "Name: value"
  ByteView body;                     ///< of a POST; stays where it is
  bool compressible = false;         ///< the answer may come compressed
  /// Gets the body of a success, piece by piece, on the client's thread; false: enough.
  std::function<bool(const HttpReply&, ByteView)> take;
};

struct HttpResult {
  HttpReply reply;
  std::string failure;     ///< why there is no whole reply; empty: there is one
  bool is_final = false;   ///< the failure would come again: certificate, URL, …
  bool was_ended = false;  ///< `take` had enough
};

/// Thread-safe. Its thread starts with the first request: who forks does so before.
class HttpClient {
 public:
  /// Throws Error{usage} if a file of the settings cannot be read.
  explicit HttpClient(HttpSettings settings);
  /// No request may be under way.
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  /// Carries out one request. Throws what `take` throws; failures are in the result.
  HttpResult perform(const HttpRequest& request);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace vgerfs::backends
