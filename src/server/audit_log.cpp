#include "server/audit_log.h"

#include <fcntl.h>

#include <utility>

namespace vgerfs::server {

AuditLog::AuditLog(const EventLog& log, std::string path, const Clock& clock)
    : log_(log), path_(std::move(path)), clock_(clock), fd_(open()) {}

Fd AuditLog::open() const {
  return open_file(path_, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW, 0600);
}

void AuditLog::write(Severity severity, std::string_view event,
                     std::initializer_list<EventField> fields) const {
  log_.write(severity, event, fields);
  const std::lock_guard lock{mutex_};
  EventLog{fd_.get(), LogFormat::json_lines, clock_}.write(severity, event, fields);
}

void AuditLog::reopen() {
  Fd fd = open();
  const std::lock_guard lock{mutex_};
  fd_ = std::move(fd);
}

}  // namespace vgerfs::server
