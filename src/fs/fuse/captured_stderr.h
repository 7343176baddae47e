// Collects what libraries and the programs that they start write to standard error, so that it can
// become one message.
#pragma once

#include <string>

#include "base/fd.h"

namespace vgerfs::fs {

/// From construction to finish(), or destruction, standard error goes into memory. One at a time.
class CapturedStderr {
 public:
  CapturedStderr();
  ~CapturedStderr();
  CapturedStderr(const CapturedStderr&) = delete;
  CapturedStderr& operator=(const CapturedStderr&) = delete;

  /// Ends the capture. The last line, without the "fuse: " that a library puts before it; empty if
  /// there was none.
  std::string finish();

 private:
  Fd saved_;
  Fd memory_;
};

}  // namespace vgerfs::fs
