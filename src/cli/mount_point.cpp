#include "cli/mount_point.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <spawn.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <climits>
#include <cstdlib>
#include <vector>

#include "base/error.h"
#include "cli/location.h"

namespace vgerfs::cli {
namespace {

/// More than this lie on top of each other only by mistake.
constexpr int kMaxDeadMounts = 32;

/// fusermount3 is set-uid: it unmounts what this user has mounted. Returns its exit status, 127 if
/// there is none.
int run_fusermount(const std::string& path, bool lazy) {
  std::vector<std::string> words = {"fusermount3", "-u"};
  if (lazy) words.emplace_back("-z");
  words.emplace_back("--");
  words.push_back(path);
  std::vector<char*> argv;
  argv.reserve(words.size() + 1);
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_addopen(&actions, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
  pid_t pid = -1;
  const int failure = ::posix_spawnp(&pid, "fusermount3", &actions, nullptr, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  if (failure != 0) return 127;
  int status = 0;
  while (::waitpid(pid, &status, 0) < 0 && errno == EINTR) continue;
  return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

/// Whether one of our mounts begins in this directory.
bool is_mount_of_ours(const std::string& path) {
  struct ::statfs file_system {};
  if (::statfs(path.c_str(), &file_system) != 0 || file_system.f_type != FUSE_SUPER_MAGIC)
    return false;
  struct stat status {};
  return ::stat((path + "/.vgerfs/status.json").c_str(), &status) == 0;
}

}  // namespace

bool is_open_device(const std::string& path) { return path.starts_with("/dev/fd/"); }

bool is_dead_mount(const std::string& path) {
  struct stat status {};
  return ::stat(path.c_str(), &status) != 0 && errno == ENOTCONN;
}

void check_mounted(const std::string& path) {
  struct stat status {};
  if (::stat((path + "/.vgerfs").c_str(), &status) == 0 || errno == ENOTCONN) return;
  if (errno != ENOENT && errno != ENOTDIR) throw system_error(errno, path);
  throw Error{ErrorCode::not_found, fmt::format("{}: no repository is mounted here", path)};
}

void detach(const std::string& path, int flags) {
  if (::umount2(path.c_str(), flags | UMOUNT_NOFOLLOW) == 0) return;
  const int error_number = errno;
  if (error_number == EPERM && (flags & MNT_FORCE) == 0) {
    if (run_fusermount(path, (flags & MNT_DETACH) != 0) == 0) return;
    throw Error{ErrorCode::denied,
                fmt::format("{}: this user may not unmount it, or it is in use", path),
                "`fuser -vm` on it shows who uses it"};
  }
  const Error cause = system_error(error_number, path);
  throw Error{cause.code(), cause.message(),
              error_number == EBUSY ? "`fuser -vm` on it shows who uses it; `umount -l` takes it "
                                      "away all the same"
                                    : ""};
}

std::string prepare_mount_point(const std::string& path) {
  if (is_open_device(path)) return path;
  std::string absolute = absolute_path(path, working_directory());
  for (int i = 0; i < kMaxDeadMounts && is_dead_mount(absolute); ++i) detach(absolute, MNT_DETACH);
  char resolved[PATH_MAX];
  if (::realpath(absolute.c_str(), resolved) == nullptr) {
    const int error_number = errno;
    if (error_number == ENOENT) {
      throw Error{ErrorCode::usage, fmt::format("the mount point {} does not exist", absolute),
                  fmt::format("mkdir {}", absolute)};
    }
    throw system_error(error_number, fmt::format("mount point {}", absolute));
  }
  absolute = resolved;
  struct stat status {};
  if (::stat(absolute.c_str(), &status) != 0)
    throw system_error(errno, fmt::format("mount point {}", absolute));
  if (!S_ISDIR(status.st_mode)) {
    throw Error{ErrorCode::usage, fmt::format("the mount point {} is not a directory", absolute)};
  }
  // The new one would lie on top, and both would have to be taken away.
  if (is_mount_of_ours(absolute)) {
    throw Error{ErrorCode::busy, fmt::format("a repository is mounted on {} already", absolute),
                fmt::format("umount {}", absolute)};
  }
  return absolute;
}

}  // namespace vgerfs::cli
