#include "fs/fuse/captured_stderr.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <string_view>

#include "base/bytes.h"

namespace vgerfs::fs {

CapturedStderr::CapturedStderr()
    : saved_(::fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3)),
      memory_(::memfd_create("stderr", MFD_CLOEXEC)) {
  if (saved_ && memory_) ::dup2(memory_.get(), STDERR_FILENO);
}

CapturedStderr::~CapturedStderr() { finish(); }

std::string CapturedStderr::finish() {
  if (!saved_ || !memory_) return {};
  ::dup2(saved_.get(), STDERR_FILENO);
  saved_.reset();
  Bytes bytes(4096);
  bytes.resize(read_at(memory_.get(), bytes, 0, "standard error"));
  std::string_view text = text_of(bytes);
  while (text.ends_with('\n')) text.remove_suffix(1);
  text.remove_prefix(text.find_last_of('\n') == text.npos ? 0 : text.find_last_of('\n') + 1);
  if (text.starts_with("fuse: ")) text.remove_prefix(6);
  return std::string{text};
}

}  // namespace vgerfs::fs
