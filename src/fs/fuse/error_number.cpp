#include "fs/fuse/error_number.h"

#include <cerrno>
#include <exception>
#include <new>

#include "base/log.h"
#include "fs/types.h"

namespace vgerfs::fs {

int error_number_of(ErrorCode code) noexcept {
  switch (code) {
    case ErrorCode::usage: return EINVAL;
    case ErrorCode::not_found: return ENOENT;
    case ErrorCode::exists: return EEXIST;
    case ErrorCode::busy: return EBUSY;
    case ErrorCode::wrong_key:
    case ErrorCode::denied: return EACCES;
    case ErrorCode::unsupported: return EOPNOTSUPP;
    case ErrorCode::corrupt: return EIO;
    case ErrorCode::rollback: return ESTALE;
    case ErrorCode::no_space: return ENOSPC;
    case ErrorCode::read_only: return EROFS;
    case ErrorCode::unavailable: return EREMOTEIO;
    case ErrorCode::no_repository: return ENODEV;
    case ErrorCode::interrupted: return EINTR;
    case ErrorCode::io: return EIO;
  }
  return EIO;
}

int current_error_number() noexcept {
  try {
    throw;
  } catch (const FsError& error) {
    return error.error_number();
  } catch (const Error& error) {
    log::warning("{}", error.what());
    return error_number_of(error.code());
  } catch (const std::bad_alloc&) {
    return ENOMEM;
  } catch (const std::exception& error) {
    log::error("unexpected: {}", error.what());
    return EIO;
  } catch (...) {
    log::error("unexpected exception");
    return EIO;
  }
}

}  // namespace vgerfs::fs
