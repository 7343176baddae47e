#include "backends/local_sweep.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <exception>
#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"

namespace vgerfs::backends {
namespace {

constexpr std::int64_t kAgeSeconds = 24 * 60 * 60;
/// Empty, in the repository's root: made anew by each sweep, so that its time says when that was.
/// It is neither an object nor a name that the sweep takes.
constexpr const char* kSweptName = ".tmp-swept";
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

/// When somebody swept last.
std::optional<Timestamp> last_sweep(const LocalDirectory& directory) {
  struct stat status {};
  if (::fstatat(directory.root_fd(), kSweptName, &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return std::nullopt;
    throw directory.failure(errno, "looking up", kSweptName);
  }
  return modification_time(status);
}

/// Notes that a sweep begins. Returns the store's time; nullopt if another client begins, too.
std::optional<Timestamp> note_sweep(const LocalDirectory& directory) {
  // Not touched but made anew: it may be another user's.
  if (::unlinkat(directory.root_fd(), kSweptName, 0) != 0 && errno != ENOENT) {
    throw directory.failure(errno, "removing", kSweptName);
  }
  const Fd fd{::openat(directory.root_fd(), kSweptName,
                       O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600)};
  if (!fd && errno == EEXIST) return std::nullopt;
  struct stat status {};
  if (!fd || ::fstat(fd.get(), &status) != 0) {
    throw directory.failure(errno, "creating", kSweptName);
  }
  return modification_time(status);
}

}  // namespace

std::size_t sweep_temporary_files(const LocalDirectory& directory, Timestamp now) {
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

void sweep_when_due(const LocalDirectory& directory, Timestamp now) noexcept {
  try {
    const std::optional<Timestamp> last = last_sweep(directory);
    // A time to come is wrong: then it is due.
    if (last && last->s <= now.s && now.s - last->s < kAgeSeconds) return;
    const std::optional<Timestamp> store_now = note_sweep(directory);
    if (!store_now) return;
    const std::size_t swept = sweep_temporary_files(directory, *store_now);
    if (swept > 0)
      log::info("{}: {} temporary files of crashed writers removed", directory.path(), swept);
  } catch (const std::exception& error) {
    log::info("old temporary files were not removed: {}", error.what());
  }
}

}  // namespace vgerfs::backends
