// How this program names itself in what it writes.
#pragma once

namespace vgerfs::repo {

inline constexpr const char* kProgramName = "vgerfs " VGERFS_VERSION;

}  // namespace vgerfs::repo
