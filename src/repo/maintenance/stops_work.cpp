#include "repo/maintenance/stops_work.h"

namespace vgerfs::repo {

bool stops_work(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::unavailable:
    case ErrorCode::interrupted:
    case ErrorCode::denied:
    case ErrorCode::rollback:
    case ErrorCode::no_space:
    case ErrorCode::read_only:
    case ErrorCode::busy:
    case ErrorCode::usage:
    case ErrorCode::wrong_key:
    case ErrorCode::no_repository: return true;
    case ErrorCode::not_found:
    case ErrorCode::exists:
    case ErrorCode::unsupported:
    case ErrorCode::corrupt:
    case ErrorCode::io: return false;
  }
  return true;
}

void throw_if_stopped(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error{ErrorCode::interrupted, "stopped"};
}

}  // namespace vgerfs::repo
