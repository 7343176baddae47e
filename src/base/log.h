// The program's log: to stderr, or to the journal under systemd. One line per event. A thin face
// over spdlog so that few files include it.
#pragma once

#include <string_view>
#include <utility>

#include <fmt/format.h>

namespace vgerfs::log {

enum class Level { debug, info, warning, error };

/// What is below is dropped. Default: warning. Thread-safe.
void set_level(Level level);
bool enabled(Level level) noexcept;
void write(Level level, std::string_view message);
/// From now on to the system's log, under this name: for a daemon that leaves its terminal.
void use_syslog(const char* program);

template <class... Args>
void debug(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) write(Level::debug, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void info(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::info)) write(Level::info, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void warning(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::warning))
    write(Level::warning, fmt::format(format, std::forward<Args>(args)...));
}
template <class... Args>
void error(fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::error)) write(Level::error, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace vgerfs::log
