// Keeps a session's lease in the store while it lives: writes it, refreshes it, removes it.
#pragma once

#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "base/clock.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// A lease of this process for `session`, naming the condemnations that are known now.
Lease new_lease(Repository& repository, LeaseKind kind, const SessionId& session,
                std::string_view host);

/// Makes the lease durable in the constructor (throws when that fails) and removes it in the
/// destructor. Thread-safe.
class LeaseKeeper {
 public:
  /// The repository must outlive the keeper. `lease` has everything but times and sequence.
  LeaseKeeper(Repository& repository, Lease lease);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  /// False once a refresh came too late: others may have taken the lease for dead.
  bool held() const;

 private:
  void publish();
  void refresh_loop(const std::stop_token& stop);

  Repository& repository_;
  const Clock& clock_;

  mutable std::mutex
      mutex_;  // leaf; guards lapsed_ and last_refresh_ns_; the thread alone uses the rest
  bool lapsed_ = false;
  std::int64_t last_refresh_ns_ = 0;
  Lease lease_;
  std::optional<format::ObjectName> current_;
  std::jthread thread_;
};

}  // namespace vgerfs::repo
