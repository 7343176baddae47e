#include "in_child.h"

#include <sched.h>
#include <sys/mount.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <exception>

#include <gtest/gtest.h>

#include "base/error.h"

namespace vgerfs::testing {

int run_in_child(const std::function<void()>& body) {
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) throw system_error(errno, "fork");
  if (child == 0) {
    int code = 0;
    try {
      body();
      code = ::testing::Test::HasFailure() ? 1 : 0;
    } catch (const std::exception& error) {
      std::fprintf(stderr, "in the child: %s\n", error.what());
      code = 2;
    }
    std::fflush(nullptr);
    ::_exit(code);  // without the parent's destructors
  }
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR) throw system_error(errno, "waitpid");
  }
  return WIFSIGNALED(status) ? -WTERMSIG(status) : WEXITSTATUS(status);
}

std::string why_no_private_mounts() {
  if (::geteuid() != 0) return "needs root, to mount a small file system";
  const int code = run_in_child([] { enter_private_mounts(); });
  return code == 0 ? "" : "this environment forbids mount namespaces";
}

void enter_private_mounts() {
  if (::unshare(CLONE_NEWNS) != 0) throw system_error(errno, "unshare");
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) {
    throw system_error(errno, "making mounts private");
  }
}

void mount_tmpfs(const std::string& path, std::size_t bytes) {
  const std::string options = fmt::format("size={},mode=0755", bytes);
  if (::mount("tmpfs", path.c_str(), "tmpfs", 0, options.c_str()) != 0) {
    throw system_error(errno, "mounting a tmpfs");
  }
}

}  // namespace vgerfs::testing
