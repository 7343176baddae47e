#include "fs/damage_log.h"

#include "base/log.h"

namespace vgerfs::fs {

void DamageLog::report(std::string_view path, const Error& error) {
  std::string line = fmt::format("{}: {}", path, error.what());
  {
    const std::lock_guard lock{mutex_};
    if (!known_.insert(error.message()).second) return;
    if (known_.size() > kMaxKnown) known_.clear();  // bounds memory; some are said again
    recent_.push_back(line);
    if (recent_.size() > kMaxRecent) recent_.pop_front();
  }
  log::write(log::Level::error, line);
}

std::vector<std::string> DamageLog::recent() const {
  const std::lock_guard lock{mutex_};
  return {recent_.begin(), recent_.end()};
}

}  // namespace vgerfs::fs
