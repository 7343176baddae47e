// The one place where a failure becomes the errno that the kernel gets.
#pragma once

#include "base/error.h"

namespace vgerfs::fs {

int error_number_of(ErrorCode code) noexcept;

/// For a catch block: the errno of the exception in flight. An errno tells little, so that the text
/// of all but FsError is logged.
int current_error_number() noexcept;

}  // namespace vgerfs::fs
