#include "repo/file_failure.h"

#include <cerrno>
#include <system_error>

namespace vgerfs::repo {

std::string_view to_string(FailureKind kind) noexcept {
  switch (kind) {
    case FailureKind::unreadable: return "unreadable";
    case FailureKind::changed: return "changed";
    case FailureKind::vanished: return "vanished";
    case FailureKind::unwritable: return "unwritable";
    case FailureKind::corrupt: return "corrupt";
    case FailureKind::different: return "different";
  }
  return "unknown";
}

FileError source_error(int error_number, std::string_view call) {
  // ESTALE is what a network file system says of a file that is gone.
  const bool gone = error_number == ENOENT || error_number == ESTALE;
  return {gone ? FailureKind::vanished : FailureKind::unreadable,
          fmt::format("{}: {}", call, std::generic_category().message(error_number))};
}

}  // namespace vgerfs::repo
