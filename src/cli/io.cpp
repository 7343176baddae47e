#include "cli/io.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <cstdlib>
#include <utility>

#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::cli {
namespace {

constexpr unsigned kDefaultColumns = 80;

std::optional<std::string> environment_variable(const std::string& name) {
  const char* value = std::getenv(name.c_str());
  if (value == nullptr || *value == '\0') return std::nullopt;
  return value;
}

unsigned columns_of_stderr() {
  winsize size{};
  if (::ioctl(STDERR_FILENO, TIOCGWINSZ, &size) != 0 || size.ws_col == 0) return kDefaultColumns;
  return size.ws_col;
}

}  // namespace

Io system_io(std::stop_token stop) {
  Io io;
  io.environment = environment_variable;
  io.is_terminal = [](int fd) { return ::isatty(fd) == 1; };
  io.terminal_columns = columns_of_stderr;
  io.clock = &system_clock();
  io.stop = std::move(stop);
  io.uid = ::geteuid();
  io.gid = ::getegid();
  return io;
}

void print(int fd, std::string_view text) {
  if (!text.empty())
    write_all(fd, bytes_of(text), fd == STDERR_FILENO ? "standard error" : "standard output");
}

void check_interrupted(const Io& io) {
  if (io.stop.stop_requested()) throw Error{ErrorCode::interrupted, "interrupted"};
}

}  // namespace vgerfs::cli
