#include "cli/background.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <string>

#include <fmt/format.h>

#include "base/error.h"
#include "cli/exit_code.h"

namespace vgerfs::cli {
namespace {

/// The child writes text, if any, and as its last byte the exit code; then it closes the pipe.
std::string read_report(int fd) {
  std::string report;
  std::array<char, 4096> part{};
  for (;;) {
    const ssize_t got = ::read(fd, part.data(), part.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return report;
    report.append(part.data(), static_cast<std::size_t>(got));
  }
}

int end_without_report(pid_t child, const Io& io) {
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) continue;
  print(io.err, WIFSIGNALED(status)
                    ? fmt::format("vgerfs: the daemon was killed by signal {} while it started\n",
                                  WTERMSIG(status))
                    : fmt::format("vgerfs: the daemon ended while it started\n"));
  return static_cast<int>(MountExitCode::failed);
}

int wait_for(pid_t child, const Fd& from_child, const Io& io) {
  std::string report = read_report(from_child.get());
  if (report.empty()) return end_without_report(child, io);
  const int exit_code = static_cast<unsigned char>(report.back());
  report.pop_back();
  if (!report.empty()) print(io.err, report);
  return exit_code;
}

void leave_terminal() {
  ::setsid();
  ::signal(SIGHUP, SIG_IGN);
  if (::chdir("/") != 0) throw system_error(errno, "/");
  const Fd null = open_file("/dev/null", O_RDWR);
  for (const int fd : {STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO}) ::dup2(null.get(), fd);
}

}  // namespace

void BackgroundStart::ready() {
  const char code = 0;
  if (::write(to_caller_.get(), &code, 1) != 1) {
    throw Error{ErrorCode::interrupted, "nobody waits for the mount any more"};
  }
  leave_terminal();
  to_caller_.reset();
}

void BackgroundStart::failed(int exit_code) noexcept {
  const auto code = static_cast<char>(exit_code);
  // If the caller is gone nobody is left to tell.
  [[maybe_unused]] const ssize_t written = ::write(to_caller_.get(), &code, 1);
  to_caller_.reset();
}

int run_in_background(const std::function<int(BackgroundStart&)>& body, const Io& io) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) throw system_error(errno, "pipe");
  Fd from_child{ends[0]};
  Fd to_caller{ends[1]};
  const pid_t child = ::fork();
  if (child < 0) throw system_error(errno, "fork");
  if (child == 0) {
    from_child.reset();
    BackgroundStart start{std::move(to_caller)};
    return body(start);
  }
  to_caller.reset();
  // Ctrl-C reaches the child, which puts the terminal back in order and reports.
  ::signal(SIGINT, SIG_IGN);
  ::signal(SIGQUIT, SIG_IGN);
  return wait_for(child, from_child, io);
}

}  // namespace vgerfs::cli
