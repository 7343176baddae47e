#include "base/log.h"

#include <memory>
#include <utility>

#include <spdlog/sinks/dist_sink.h>
#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/sinks/syslog_sink.h>
#include <spdlog/spdlog.h>

namespace vgerfs::log {
namespace {

/// Where lines go. A sink of sinks, so that it can change while other threads log.
spdlog::sinks::dist_sink_mt& outlet() {
  static const auto instance = [] {
    auto terminal = std::make_shared<spdlog::sinks::stderr_color_sink_mt>();
    terminal->set_pattern("%n: %^%l%$: %v");
    auto made = std::make_shared<spdlog::sinks::dist_sink_mt>();
    made->add_sink(std::move(terminal));
    return made;
  }();
  return *instance;
}

spdlog::logger& logger() {
  static spdlog::logger instance = [] {
    // The outlet lives as long as the process: the pointer owns nothing.
    spdlog::logger made{"vgerfs",
                        std::shared_ptr<spdlog::sinks::sink>{std::shared_ptr<void>{}, &outlet()}};
    made.set_level(spdlog::level::warn);
    return made;
  }();
  return instance;
}

spdlog::level::level_enum spd_level(Level level) noexcept {
  switch (level) {
    case Level::debug: return spdlog::level::debug;
    case Level::info: return spdlog::level::info;
    case Level::warning: return spdlog::level::warn;
    case Level::error: return spdlog::level::err;
  }
  return spdlog::level::err;
}

}  // namespace

void set_level(Level level) { logger().set_level(spd_level(level)); }
bool enabled(Level level) noexcept { return logger().should_log(spd_level(level)); }
void write(Level level, std::string_view message) { logger().log(spd_level(level), message); }

void use_syslog(const char* program) {
  auto sink = std::make_shared<spdlog::sinks::syslog_sink_mt>(program, LOG_PID, LOG_DAEMON, true);
  sink->set_pattern("%l: %v");
  outlet().set_sinks({std::move(sink)});
}

}  // namespace vgerfs::log
