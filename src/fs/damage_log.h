// Says once what is damaged, not once per read: each message names the object and the first file it
// was met in.
#pragma once

#include <cstddef>
#include <deque>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_set>
#include <vector>

#include "base/error.h"

namespace vgerfs::fs {

/// Thread-safe.
class DamageLog {
 public:
  /// Logs the error unless one with the same text was logged before.
  void report(std::string_view path, const Error& error);
  /// The latest messages, oldest first.
  std::vector<std::string> recent() const;

 private:
  static constexpr std::size_t kMaxKnown = 4096;
  static constexpr std::size_t kMaxRecent = 32;

  mutable std::mutex mutex_;
  std::unordered_set<std::string> known_;  // guarded by mutex_, as below
  std::deque<std::string> recent_;
};

}  // namespace vgerfs::fs
