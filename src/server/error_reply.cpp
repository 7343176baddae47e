#include "server/error_reply.h"

namespace vgerfs::server {

int http_status(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage: return 400;
    case ErrorCode::not_found:
    case ErrorCode::no_repository: return 404;
    case ErrorCode::exists: return 403;  // restic gives up on it, as it should
    case ErrorCode::wrong_key: return 401;
    case ErrorCode::denied: return 403;
    case ErrorCode::unsupported: return 501;
    case ErrorCode::no_space: return 507;
    case ErrorCode::busy:
    case ErrorCode::unavailable:
    case ErrorCode::interrupted: return 503;
    case ErrorCode::corrupt:
    case ErrorCode::rollback:
    case ErrorCode::read_only:
    case ErrorCode::io: return 500;
  }
  return 500;
}

Reply error_reply(const std::exception_ptr& error) {
  Reply reply;
  try {
    std::rethrow_exception(error);
  } catch (const HttpError& refused) {
    reply = text_reply(refused.status(), refused.what());
    if (!refused.cause().empty()) reply.headers.emplace_back("Vgerfs-Error", refused.cause());
  } catch (const Error& failed) {
    const int status = http_status(failed.code());
    const bool is_ours = status >= 500 && failed.code() != ErrorCode::no_space;
    reply = text_reply(
        status, is_ours ? std::string{"the server failed: its log says why"} : failed.message());
    // A status means several things: 403 is also what a policy answers.
    reply.headers.emplace_back("Vgerfs-Error", std::string{to_string(failed.code())});
  } catch (const std::exception&) {
    reply = text_reply(500, "the server failed: its log says why");
  }
  if (reply.status == 401) {
    reply.headers.emplace_back("WWW-Authenticate", "Basic realm=\"vgerfs-server\"");
    reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"vgerfs-server\"");
  }
  if (reply.status == 503) reply.headers.emplace_back("Retry-After", "5");
  return reply;
}

}  // namespace vgerfs::server
