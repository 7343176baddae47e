#include "system_faults.h"

#include <dlfcn.h>
#include <fcntl.h>
#include <sys/types.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstdarg>
#include <filesystem>
#include <mutex>
#include <optional>
#include <utility>

#include <fmt/format.h>

namespace vgerfs::testing {
namespace {

struct Order {
  int error_number = 0;
  int skip = 0;
  int left = 0;
};

struct State {
  std::mutex mutex;
  std::array<std::function<void()>, 7> actions;
  std::array<Order, 7> orders;
  std::vector<std::string> trace;
};

State& state() {
  static State the_state;
  return the_state;
}

/// Runs what is to be run before this call; the errno with which it must fail.
std::optional<int> fault(SystemCall call) {
  std::function<void()> action;
  {
    const std::lock_guard lock{state().mutex};
    std::swap(action, state().actions[static_cast<std::size_t>(call)]);
  }
  if (action) action();
  const std::lock_guard lock{state().mutex};
  Order& order = state().orders[static_cast<std::size_t>(call)];
  if (order.left == 0) return std::nullopt;
  if (order.skip > 0) {
    --order.skip;
    return std::nullopt;
  }
  --order.left;
  return order.error_number;
}

void record(std::string entry) {
  const std::lock_guard lock{state().mutex};
  state().trace.push_back(std::move(entry));
}

template <class Function>
Function* original(const char* name) {
  return reinterpret_cast<Function*>(::dlsym(RTLD_NEXT, name));
}

std::string name_behind(int fd) {
  std::error_code ignored;
  return std::filesystem::read_symlink(fmt::format("/proc/self/fd/{}", fd), ignored).filename();
}

int refuse(int error_number) {
  errno = error_number;
  return -1;
}

}  // namespace

void fail_system_call(SystemCall call, int error_number, int nth, int times) {
  const std::lock_guard lock{state().mutex};
  state().orders[static_cast<std::size_t>(call)] = {error_number, nth - 1, times};
}

void before_system_call(SystemCall call, std::function<void()> action) {
  const std::lock_guard lock{state().mutex};
  state().actions[static_cast<std::size_t>(call)] = std::move(action);
}

std::vector<std::string> system_call_trace() {
  const std::lock_guard lock{state().mutex};
  return state().trace;
}

void clear_system_faults() {
  const std::lock_guard lock{state().mutex};
  state().orders = {};
  state().actions = {};
  state().trace.clear();
}

}  // namespace vgerfs::testing

// The names are the C library's.
// NOLINTBEGIN(readability-inconsistent-declaration-parameter-name): its parameters are __reserved
extern "C" {

using vgerfs::testing::SystemCall;

ssize_t pwrite(int fd, const void* bytes, size_t count, off_t offset) {
  if (const auto error = vgerfs::testing::fault(SystemCall::pwrite)) {
    return vgerfs::testing::refuse(*error);
  }
  return vgerfs::testing::original<decltype(pwrite)>("pwrite")(fd, bytes, count, offset);
}

int fdatasync(int fd) {
  if (const auto error = vgerfs::testing::fault(SystemCall::fdatasync)) {
    return vgerfs::testing::refuse(*error);
  }
  vgerfs::testing::record("fdatasync");
  return vgerfs::testing::original<decltype(fdatasync)>("fdatasync")(fd);
}

int fsync(int fd) {
  if (const auto error = vgerfs::testing::fault(SystemCall::fsync)) {
    return vgerfs::testing::refuse(*error);
  }
  vgerfs::testing::record("fsync " + vgerfs::testing::name_behind(fd));
  return vgerfs::testing::original<decltype(fsync)>("fsync")(fd);
}

int linkat(int from_directory, const char* from, int to_directory, const char* to,
           int flags) noexcept {
  if (const auto error = vgerfs::testing::fault(SystemCall::linkat)) {
    return vgerfs::testing::refuse(*error);
  }
  const int result = vgerfs::testing::original<decltype(linkat)>("linkat")(from_directory, from,
                                                                           to_directory, to, flags);
  if (result == 0) vgerfs::testing::record(fmt::format("link {}", to));
  return result;
}

int renameat2(int from_directory, const char* from, int to_directory, const char* to,
              unsigned int flags) noexcept {
  if (const auto error = vgerfs::testing::fault(SystemCall::renameat2)) {
    return vgerfs::testing::refuse(*error);
  }
  const int result = vgerfs::testing::original<decltype(renameat2)>("renameat2")(
      from_directory, from, to_directory, to, flags);
  if (result == 0) vgerfs::testing::record(fmt::format("rename {}", to));
  return result;
}

int unlinkat(int directory, const char* path, int flags) noexcept {
  if (const auto error = vgerfs::testing::fault(SystemCall::unlinkat)) {
    return vgerfs::testing::refuse(*error);
  }
  return vgerfs::testing::original<decltype(unlinkat)>("unlinkat")(directory, path, flags);
}

int openat(int directory, const char* path, int flags, ...) {
  mode_t mode = 0;
  if ((flags & O_CREAT) != 0 || (flags & O_TMPFILE) == O_TMPFILE) {
    va_list arguments;
    va_start(arguments, flags);
    mode = va_arg(arguments, mode_t);
    va_end(arguments);
  }
  if ((flags & O_TMPFILE) == O_TMPFILE) {
    if (const auto error = vgerfs::testing::fault(SystemCall::open_nameless)) {
      return vgerfs::testing::refuse(*error);
    }
  }
  return vgerfs::testing::original<int(int, const char*, int, ...)>("openat")(directory, path,
                                                                              flags, mode);
}

}  // extern "C"
// NOLINTEND(readability-inconsistent-declaration-parameter-name)
