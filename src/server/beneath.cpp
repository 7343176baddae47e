#include "server/beneath.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <cerrno>

#include "base/error.h"

namespace vgerfs::server {

std::optional<Fd> open_beneath(int directory, const std::string& path, int flags, mode_t mode) {
  // O_NONBLOCK: a FIFO planted under an object's name must not hang us.
  struct open_how how {};
  how.flags = static_cast<unsigned>(flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  how.mode = mode;
  how.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS;
  for (;;) {
    const long fd = ::syscall(SYS_openat2, directory, path.c_str(), &how, sizeof how);
    if (fd >= 0) return Fd{static_cast<int>(fd)};
    switch (errno) {
      case EINTR:
      case EAGAIN: continue;  // the tree changed while it was walked
      case ENOENT:
      case ENOTDIR: return std::nullopt;
      case ELOOP:
      case EXDEV:
        throw Error{ErrorCode::denied,
                    fmt::format("{} leads through a symbolic link or out of its directory", path)};
      case ENOSYS:
        throw Error{ErrorCode::unsupported, "this system has no openat2(2)",
                    "it needs Linux 5.6 or newer"};
      default: throw system_error(errno, "opening " + path);
    }
  }
}

void sync(int fd, const std::string& what) {
  // EINVAL: the file system has no such operation; its names are as durable as it makes them.
  if (::fsync(fd) != 0 && errno != EINVAL) throw system_error(errno, "syncing " + what);
}

}  // namespace vgerfs::server
