// SIGINT and SIGTERM as a std::stop_token.
#pragma once

#include <stop_token>
#include <thread>

namespace vgerfs::cli {

/// From construction on, the first SIGINT or SIGTERM asks for a stop and gives both signals their
/// default action back: the second one kills. A signal that the parent had ignored (nohup, a
/// shell's background job) stays ignored. One per process, made in main before any thread; lives as
/// long as the process.
class StopOnSignals {
 public:
  StopOnSignals();
  ~StopOnSignals();
  StopOnSignals(const StopOnSignals&) = delete;
  StopOnSignals& operator=(const StopOnSignals&) = delete;

  std::stop_token token() const;

 private:
  std::jthread watcher_;
};

}  // namespace vgerfs::cli
