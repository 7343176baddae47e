// The one exception type of the project. A code says what the caller can do next; boundaries (FUSE
// slot, CLI, thread body) catch it and map it in one exhaustive table each.
#pragma once

#include <exception>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace vgerfs {

/// Chosen by the caller's next step, not by the place of the failure.
enum class ErrorCode {
  usage,          ///< the request is wrong: fix it
  not_found,      ///< what was asked for is certainly absent
  exists,         ///< something is there already and differs
  busy,           ///< held by another process or session: wait or go there
  wrong_key,      ///< no key slot opens with this credential
  denied,         ///< this key or user may not do that
  unsupported,    ///< needs a newer program (format, feature) or a missing system facility
  corrupt,        ///< stored bytes are not what they must be
  rollback,       ///< the store shows less than was seen before
  no_space,       ///< the store or a local disk is full
  read_only,      ///< the store or a local disk cannot be written
  unavailable,    ///< the store did not answer or vanished: may be retried
  no_repository,  ///< there is no repository at this place
  interrupted,    ///< the user asked to stop
  io,             ///< any other failure of the system
};

/// Stable lower-case name ("not_found"), for logs and `--json`.
std::string_view to_string(ErrorCode code) noexcept;

/// What failed on which object, with contexts added as it passes ("opening snapshot 3fa1…: …") and
/// an optional hint for the user. Never holds a secret.
class Error : public std::exception {
 public:
  Error(ErrorCode code, std::string message, std::string hint = {})
      : code_(code), message_(std::move(message)), hint_(std::move(hint)) {}

  ErrorCode code() const noexcept { return code_; }
  const std::string& message() const noexcept { return message_; }
  const std::string& hint() const noexcept { return hint_; }
  const char* what() const noexcept override { return message_.c_str(); }

  /// Prepends "context: ". For `catch (Error& error) { error.add_context(…); throw; }`.
  void add_context(std::string_view context) {
    message_ = fmt::format("{}: {}", context, message_);
  }
  void set_hint(std::string hint) { hint_ = std::move(hint); }

 private:
  ErrorCode code_;
  std::string message_;
  std::string hint_;
};

/// The code that a caller of a failed system call can act on.
ErrorCode error_code_from_errno(int error_number) noexcept;

/// Error with `what: strerror` for the given errno.
[[nodiscard]] Error system_error(int error_number, std::string_view what);

/// Aborts with file and line: for broken invariants of ours, in every build. Bytes from outside are
/// never checked with it.
[[noreturn]] void bug(std::string_view what, const char* file = __builtin_FILE(),
                      int line = __builtin_LINE());

}  // namespace vgerfs

/// Check of an invariant, on in every build.
#define VGERFS_CHECK(condition)    \
  do {                             \
    if (!(condition)) [[unlikely]] \
      ::vgerfs::bug(#condition);   \
  } while (false)
