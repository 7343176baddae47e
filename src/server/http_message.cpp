#include "server/http_message.h"

#include <time.h>  // NOLINT(modernize-deprecated-headers): gmtime_r is declared here only

#include <fmt/format.h>

namespace vgerfs::server {
namespace {

/// "Sun, 06 Nov 1994 08:49:37 GMT" (RFC 9110 section 5.6.7), whatever the locale.
std::string http_date(std::int64_t time_s) {
  static constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                            "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const time_t time = time_s;
  struct tm parts {};
  ::gmtime_r(&time, &parts);
  return fmt::format("{}, {:02} {} {} {:02}:{:02}:{:02} GMT", kDays[parts.tm_wday], parts.tm_mday,
                     kMonths[parts.tm_mon], parts.tm_year + 1900, parts.tm_hour, parts.tm_min,
                     parts.tm_sec);
}

}  // namespace

std::string_view reason_phrase(int status) noexcept {
  switch (status) {
    case 200: return "OK";
    case 206: return "Partial Content";
    case 400: return "Bad Request";
    case 401: return "Unauthorized";
    case 403: return "Forbidden";
    case 404: return "Not Found";
    case 405: return "Method Not Allowed";
    case 408: return "Request Timeout";
    case 409: return "Conflict";
    case 410: return "Gone";
    case 411: return "Length Required";
    case 412: return "Precondition Failed";
    case 413: return "Content Too Large";
    case 416: return "Range Not Satisfiable";
    case 422: return "Unprocessable Content";
    case 431: return "Request Header Fields Too Large";
    case 500: return "Internal Server Error";
    case 501: return "Not Implemented";
    case 503: return "Service Unavailable";
    case 505: return "HTTP Version Not Supported";
    case 507: return "Insufficient Storage";
    default: return "Unknown";
  }
}

std::string header_text(const Reply& reply, std::int64_t now_s) {
  // A proxy puts its own name into Server; Vgerfs-Api tells our client what it can ask for.
  std::string text = fmt::format("HTTP/1.1 {} {}\r\nServer: vgerfs-server/" VGERFS_VERSION
                                 "\r\nVgerfs-Api: 1\r\nDate: {}\r\n",
                                 reply.status, reason_phrase(reply.status), http_date(now_s));
  if (!reply.content_type.empty()) text += fmt::format("Content-Type: {}\r\n", reply.content_type);
  if (!reply.is_endless) text += fmt::format("Content-Length: {}\r\n", reply.body_bytes());
  for (const auto& [name, value] : reply.headers) text += fmt::format("{}: {}\r\n", name, value);
  if (reply.closes) text += "Connection: close\r\n";
  return text + "\r\n";
}

Reply text_reply(int status, std::string text) {
  if (!text.empty()) text += '\n';
  return {.status = status, .content_type = "text/plain; charset=utf-8", .text = std::move(text)};
}

}  // namespace vgerfs::server
