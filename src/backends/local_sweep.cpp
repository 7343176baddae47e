#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <string>
#include <string_view>

#include "backends/local_backend.h"
#include "backends/local_directory.h"
#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::backends {
namespace {

constexpr std::int64_t kAgeSeconds = 24 * 60 * 60;
constexpr std::size_t kSuffixDigits = 16;

bool is_ours(std::string_view name) {
  if (!name.starts_with(kTemporaryPrefix)) return false;
  name.remove_prefix(kTemporaryPrefix.size());
  return name.size() == kSuffixDigits &&
         name.find_first_not_of("0123456789abcdef") == std::string_view::npos;
}

std::size_t sweep_directory(const LocalDirectory& directory, const std::string& relative,
                            Timestamp now) {
  std::size_t swept = 0;
  std::error_code failure;
  std::filesystem::directory_iterator at{directory.full_path(relative), failure};
  if (failure.value() == ENOENT) return 0;  // not every data/xx is there
  for (; !failure && at != std::filesystem::directory_iterator{}; at.increment(failure)) {
    const std::string name = at->path().filename().string();
    if (!is_ours(name)) continue;
    const std::string path = fmt::format("{}/{}", relative, name);
    struct stat status {};
    if (::fstatat(directory.root_fd(), path.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // its writer has just named or dropped it
      throw directory.failure(errno, "looking up", path);
    }
    const bool is_old = status.st_mtim.tv_sec < now.s - kAgeSeconds;
    if (!S_ISREG(status.st_mode) || !is_old) continue;
    if (::unlinkat(directory.root_fd(), path.c_str(), 0) == 0) {
      ++swept;
    } else if (errno != ENOENT) {
      throw directory.failure(errno, "removing", path);
    }
  }
  if (failure) throw directory.failure(failure.value(), "listing", relative);
  return swept;
}

}  // namespace

std::size_t sweep_temporary_files(const std::string& path, Timestamp now) {
  const LocalDirectory directory{path};
  std::size_t swept = sweep_directory(directory, ".", now);
  for (const format::ObjectType type : format::kListedTypes) {
    if (type == format::ObjectType::pack) continue;
    swept += sweep_directory(directory, std::string{format::directory_name(type)}, now);
  }
  for (unsigned first = 0; first < 256; ++first) {
    swept += sweep_directory(directory, pack_directory(static_cast<std::byte>(first)), now);
  }
  return swept;
}

}  // namespace vgerfs::backends
