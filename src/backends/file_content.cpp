#include "backends/file_content.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <optional>

#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::backends {
namespace {

constexpr std::size_t kPartBytes = 256 * 1024;

/// nullopt if it is not a regular file.
std::optional<std::uint64_t> size_of(int fd, std::string_view what) {
  struct stat status {};
  if (::fstat(fd, &status) != 0) throw system_error(errno, fmt::format("looking up {}", what));
  if (!S_ISREG(status.st_mode)) return std::nullopt;
  return static_cast<std::uint64_t>(status.st_size);
}

}  // namespace

bool file_has_content(int fd, ByteView bytes, std::string_view what) {
  if (size_of(fd, what) != bytes.size()) return false;
  Bytes buffer(std::min(bytes.size(), kPartBytes));
  for (std::size_t done = 0; done < bytes.size();) {
    const MutableBytes part =
        MutableBytes{buffer}.first(std::min(buffer.size(), bytes.size() - done));
    if (read_at(fd, part, done, what) != part.size()) return false;
    if (std::memcmp(part.data(), bytes.data() + done, part.size()) != 0) return false;
    done += part.size();
  }
  return true;
}

bool files_have_same_content(int first, int second, std::string_view what) {
  const std::optional<std::uint64_t> size = size_of(first, what);
  if (!size || size_of(second, what) != size) return false;
  Bytes buffer(static_cast<std::size_t>(std::min<std::uint64_t>(*size, kPartBytes)));
  Bytes other(buffer.size());
  for (std::uint64_t done = 0; done < *size;) {
    const std::size_t got = read_at(first, buffer, done, what);
    if (got == 0 || read_at(second, MutableBytes{other}.first(got), done, what) != got) {
      return false;
    }
    if (std::memcmp(buffer.data(), other.data(), got) != 0) return false;
    done += got;
  }
  return true;
}

}  // namespace vgerfs::backends
