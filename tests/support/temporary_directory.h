// A directory for one test.
#pragma once

#include <string>
#include <string_view>

namespace vgerfs::testing {

/// From now on temporary directories of this process lie in memory, if this machine has a place for
/// that and $TMPDIR says nothing: for tests that open thousands of clients.
void keep_temporary_directories_in_memory();

/// Made below $TMPDIR or /tmp, deleted with all that is in it at the end. Move-only.
class TemporaryDirectory {
 public:
  TemporaryDirectory();
  ~TemporaryDirectory();
  TemporaryDirectory(TemporaryDirectory&& other) noexcept;
  TemporaryDirectory& operator=(TemporaryDirectory&&) = delete;
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Path of something inside.
  std::string operator/(std::string_view name) const;

 private:
  std::string path_;
};

}  // namespace vgerfs::testing
