// Is what a store holds under a name what was to be written there?
#pragma once

#include <cstdint>
#include <string_view>

#include "base/bytes.h"

namespace vgerfs::backends {

/// Whether a regular file holds exactly these bytes. `what` names it in errors.
bool file_has_content(int fd, ByteView bytes, std::string_view what);

/// Whether two regular files hold the same bytes.
bool files_have_same_content(int first, int second, std::string_view what);

}  // namespace vgerfs::backends
