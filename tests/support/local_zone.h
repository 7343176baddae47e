// The time zone of the test's process, put back at the end.
#pragma once

#include <cstdlib>
#include <ctime>
#include <optional>
#include <string>

namespace vgerfs::testing {

/// A zone by its POSIX rule ("CET-1CEST,M3.5.0,M10.5.0/3"): no database is needed. One at a time.
class LocalZone {
 public:
  explicit LocalZone(const std::string& rule) {
    if (const char* before = std::getenv("TZ"); before != nullptr) before_ = before;
    ::setenv("TZ", rule.c_str(), 1);
    ::tzset();
  }
  ~LocalZone() {
    if (before_) {
      ::setenv("TZ", before_->c_str(), 1);
    } else {
      ::unsetenv("TZ");
    }
    ::tzset();
  }
  LocalZone(const LocalZone&) = delete;
  LocalZone& operator=(const LocalZone&) = delete;

 private:
  std::optional<std::string> before_;
};

inline constexpr const char* kBerlin = "CET-1CEST,M3.5.0,M10.5.0/3";

}  // namespace vgerfs::testing
