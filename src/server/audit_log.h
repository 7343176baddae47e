// Who was refused, and what was removed or deleted for good: lines of JSON in a file of their own,
// besides the server's log, so that they outlive it. Only ever appended to.
#pragma once

#include <initializer_list>
#include <mutex>
#include <string>
#include <string_view>

#include "base/clock.h"
#include "base/fd.h"
#include "server/event_log.h"

namespace vgerfs::server {

/// Thread-safe.
class AuditLog {
 public:
  /// `log` must outlive this. Makes the file.
  AuditLog(const EventLog& log, std::string path, const Clock& clock);

  /// To both.
  void write(Severity severity, std::string_view event,
             std::initializer_list<EventField> fields) const;
  /// Goes on in a new file if somebody has moved the old one away.
  void reopen();

 private:
  Fd open() const;

  const EventLog& log_;
  const std::string path_;
  const Clock& clock_;
  mutable std::mutex mutex_;  // a leaf
  Fd fd_;                     // guarded by mutex_
};

}  // namespace vgerfs::server
