#include "cli/exit_code.h"

namespace vgerfs::cli {

// Both switches have no default: -Wswitch-enum makes a new ErrorCode an error here.

ExitCode exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage: return ExitCode::usage;
    case ErrorCode::busy: return ExitCode::busy;
    case ErrorCode::wrong_key: return ExitCode::wrong_key;
    case ErrorCode::unsupported: return ExitCode::unsupported;
    case ErrorCode::corrupt: return ExitCode::corrupt;
    case ErrorCode::rollback: return ExitCode::rollback;
    case ErrorCode::no_space: return ExitCode::no_space;
    case ErrorCode::read_only:
    case ErrorCode::unavailable: return ExitCode::store_unusable;
    case ErrorCode::no_repository: return ExitCode::no_repository;
    case ErrorCode::interrupted: return ExitCode::interrupted;
    case ErrorCode::not_found:
    case ErrorCode::exists:
    case ErrorCode::denied:
    case ErrorCode::io: return ExitCode::failed;
  }
  return ExitCode::failed;
}

MountExitCode mount_exit_code(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage:
    case ErrorCode::denied: return MountExitCode::usage;
    case ErrorCode::no_space:
    case ErrorCode::io: return MountExitCode::system;
    case ErrorCode::busy: return MountExitCode::locked;
    case ErrorCode::wrong_key:
    case ErrorCode::unsupported:
    case ErrorCode::corrupt:
    case ErrorCode::rollback:
    case ErrorCode::read_only:
    case ErrorCode::unavailable:
    case ErrorCode::no_repository:
    case ErrorCode::interrupted:
    case ErrorCode::not_found:
    case ErrorCode::exists: return MountExitCode::failed;
  }
  return MountExitCode::failed;
}

}  // namespace vgerfs::cli
