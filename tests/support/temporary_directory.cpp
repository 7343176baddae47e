#include "support/temporary_directory.h"

#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <utility>

#include "base/error.h"

namespace vgerfs::testing {

void keep_temporary_directories_in_memory() {
  constexpr const char* kMemory = "/dev/shm";
  if (::access(kMemory, W_OK | X_OK) == 0) ::setenv("TMPDIR", kMemory, 0);
}

TemporaryDirectory::TemporaryDirectory() {
  path_ = (std::filesystem::temp_directory_path() / "vgerfs-test-XXXXXX").string();
  if (::mkdtemp(path_.data()) == nullptr) {
    throw system_error(errno, "creating a temporary directory");
  }
}

TemporaryDirectory::TemporaryDirectory(TemporaryDirectory&& other) noexcept
    : path_(std::exchange(other.path_, {})) {}

TemporaryDirectory::~TemporaryDirectory() {
  if (path_.empty()) return;
  std::error_code ignored;  // nothing of a test depends on it
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryDirectory::operator/(std::string_view name) const {
  return path_ + '/' + std::string{name};
}

}  // namespace vgerfs::testing
