// One file that an operation over many could not treat as it should. It is reported; the others go
// on.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/error.h"

namespace vgerfs::repo {

enum class FailureKind {
  unreadable,  ///< backup: not (wholly) in the snapshot
  changed,     ///< backup: changed while it was read; kept as read
  vanished,    ///< backup: was there when its directory was read
  unwritable,  ///< restore: could not be made, written or given its attributes
  corrupt,     ///< restore: the repository's bytes for it are damaged or missing
  different,   ///< restore: what was written does not read back
};

/// Stable lower-case name, for `--json`.
std::string_view to_string(FailureKind kind) noexcept;

struct FileFailure {
  std::string path;  // relative to the walk's root; bytes
  FailureKind kind{};
  std::string reason;
};

/// Failures of one run: counts all, remembers the first kMaxRemembered. One thread at a time.
struct FileFailures {
  static constexpr std::size_t kMaxRemembered = 10'000;

  std::uint64_t count = 0;
  std::uint64_t corrupt = 0;  // of these, of that kind
  std::vector<FileFailure> first;

  void add(FileFailure failure) {
    ++count;
    if (failure.kind == FailureKind::corrupt) ++corrupt;
    if (first.size() < kMaxRemembered) first.push_back(std::move(failure));
  }
};

/// Thrown where a single file fails, so that it is not taken for a failure of the store. Caught by
/// whoever works through the files.
class FileError : public Error {
 public:
  FileError(FailureKind kind, std::string reason)
      : Error(ErrorCode::io, std::move(reason)), kind_(kind) {}
  FailureKind kind() const noexcept { return kind_; }

 private:
  FailureKind kind_;
};

/// Of a system call on a file that is backed up: vanished if that is what errno says, else
/// unreadable.
[[nodiscard]] FileError source_error(int error_number, std::string_view call);

}  // namespace vgerfs::repo
