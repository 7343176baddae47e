// The server's log: one line per event on stderr (and so in the journal), for people or as JSON.
// Requests' targets are escaped; tokens never come near it.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "base/clock.h"
#include "server/server_config.h"

namespace vgerfs::server {

enum class Severity { info, warning, error };

/// A field's name and value.
struct EventField {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, std::uint64_t, double> value;
};

/// Thread-safe: a line is one write(2).
class EventLog {
 public:
  EventLog(int fd, LogFormat format, const Clock& clock)
      : fd_(fd), format_(format), clock_(clock) {}

  /// `event` is a word that does not change: "request", "refused", "removed", "started".
  void write(Severity severity, std::string_view event,
             std::initializer_list<EventField> fields) const;

 private:
  const int fd_;
  const LogFormat format_;
  const Clock& clock_;
};

/// Text as a JSON string with its quotes; bytes that are not printable ASCII are escaped, so that a
/// log line stays a line whatever a client sends.
std::string json_string(std::string_view text);

}  // namespace vgerfs::server
