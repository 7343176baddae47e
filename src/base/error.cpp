#include "base/error.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>

namespace vgerfs {

std::string_view to_string(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage: return "usage";
    case ErrorCode::not_found: return "not_found";
    case ErrorCode::exists: return "exists";
    case ErrorCode::busy: return "busy";
    case ErrorCode::wrong_key: return "wrong_key";
    case ErrorCode::denied: return "denied";
    case ErrorCode::unsupported: return "unsupported";
    case ErrorCode::corrupt: return "corrupt";
    case ErrorCode::rollback: return "rollback";
    case ErrorCode::no_space: return "no_space";
    case ErrorCode::read_only: return "read_only";
    case ErrorCode::unavailable: return "unavailable";
    case ErrorCode::no_repository: return "no_repository";
    case ErrorCode::interrupted: return "interrupted";
    case ErrorCode::io: return "io";
  }
  return "io";
}

ErrorCode error_code_from_errno(int error_number) noexcept {
  switch (error_number) {
    case ENOENT:
    case ENOTDIR: return ErrorCode::not_found;
    case EEXIST: return ErrorCode::exists;
    case EACCES:
    case EPERM: return ErrorCode::denied;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ErrorCode::no_space;
    case EROFS: return ErrorCode::read_only;
    case EBUSY:
    case ETXTBSY: return ErrorCode::busy;
    case EOPNOTSUPP:
    case ENOSYS: return ErrorCode::unsupported;
    case ENOTCONN:
    case ESTALE:
    case ENODEV:
    case ETIMEDOUT: return ErrorCode::unavailable;
    case EINTR: return ErrorCode::interrupted;
    default: return ErrorCode::io;
  }
}

Error system_error(int error_number, std::string_view what) {
  char text[256];
  return Error{error_code_from_errno(error_number),
               fmt::format("{}: {}", what, ::strerror_r(error_number, text, sizeof text))};
}

void bug(std::string_view what, const char* file, int line) {
  std::fprintf(stderr, "vgerfs: bug at %s:%d: %.*s\n", file, line, static_cast<int>(what.size()),
               what.data());
  std::abort();
}

}  // namespace vgerfs
