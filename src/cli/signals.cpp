#include "cli/signals.h"

#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <cerrno>
#include <cstdint>

#include "base/error.h"
#include "base/thread.h"

namespace vgerfs::cli {
namespace {

// A signal handler reaches only globals. It may not touch a stop_source (not async-signal-safe),
// hence a thread that waits on an eventfd.
int event_fd = -1;
std::stop_source stop_source;

void wake() {
  const std::uint64_t one = 1;
  // The counter cannot overflow: nothing is left to do if this fails.
  [[maybe_unused]] const ssize_t written = ::write(event_fd, &one, sizeof one);
}

extern "C" void on_signal(int) {
  const int saved = errno;
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  wake();
  errno = saved;
}

void install(int signal) {
  struct sigaction current {};
  if (::sigaction(signal, nullptr, &current) == 0 && current.sa_handler == SIG_IGN) return;
  struct sigaction action {};
  action.sa_handler = on_signal;
  // No SA_RESTART: a read from a terminal or a pipe returns with EINTR.
  ::sigaction(signal, &action, nullptr);
}

}  // namespace

StopOnSignals::StopOnSignals() {
  event_fd = ::eventfd(0, EFD_CLOEXEC);
  if (event_fd < 0) throw system_error(errno, "eventfd");
  watcher_ = start_thread("signals", [](const std::stop_token& ended) {
    std::uint64_t count = 0;
    while (::read(event_fd, &count, sizeof count) < 0 && errno == EINTR) continue;
    if (!ended.stop_requested()) stop_source.request_stop();
  });
  install(SIGINT);
  install(SIGTERM);
}

StopOnSignals::~StopOnSignals() {
  ::signal(SIGINT, SIG_DFL);
  ::signal(SIGTERM, SIG_DFL);
  watcher_.request_stop();
  wake();
  watcher_.join();
  ::close(event_fd);
}

std::stop_token StopOnSignals::token() const { return stop_source.get_token(); }

}  // namespace vgerfs::cli
