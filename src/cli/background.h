// A program that goes into the background once it works: until then its caller waits, and hears
// what went wrong.
#pragma once

#include <functional>
#include <string>

#include "base/fd.h"
#include "cli/io.h"

namespace vgerfs::cli {

/// Given to what runs in the child process.
class BackgroundStart {
 public:
  explicit BackgroundStart(Fd to_caller) : to_caller_(std::move(to_caller)) {}

  /// Where to print errors until ready(): the caller prints them.
  int descriptor() const noexcept { return to_caller_.get(); }
  /// It works: the caller returns 0, this process leaves the terminal. Throws Error{interrupted} if
  /// the caller is gone.
  void ready();
  /// It does not: the caller prints what is on the descriptor and returns `exit_code`.
  void failed(int exit_code) noexcept;

 private:
  Fd to_caller_;
};

/// Forks and runs `body` in the child. Returns twice: in the caller when the child is ready or has
/// failed, with the exit code for it; in the child with the result of `body`. To be called before
/// there are threads.
int run_in_background(const std::function<int(BackgroundStart&)>& body, const Io& io);

}  // namespace vgerfs::cli
