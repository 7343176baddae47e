// Keeps a session's lease in the store while it lives: writes it, refreshes it, removes it. Where
// the store keeps leases itself (backends/store_services.h), it is renewed there, and the store
// refuses what is changed under one that is over; elsewhere it is an object that is written anew.
#pragma once

#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <thread>

#include "backends/store_lease.h"
#include "base/clock.h"
#include "repo/lease.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// A lease of this process for `session`, naming the condemnations that are known now.
Lease new_lease(Repository& repository, LeaseKind kind, const SessionId& session,
                std::string_view host);

/// Makes the lease durable in the constructor (throws when that fails; busy if the store has given
/// another exclusive one away) and removes it in the destructor. Thread-safe.
class LeaseKeeper {
 public:
  /// The repository must outlive the keeper. `lease` has everything but times and sequence.
  LeaseKeeper(Repository& repository, Lease lease);
  ~LeaseKeeper();
  LeaseKeeper(const LeaseKeeper&) = delete;
  LeaseKeeper& operator=(const LeaseKeeper&) = delete;

  /// False once a refresh came too late: others may have taken the lease for dead.
  bool held() const;
  /// The store, for changes that are to be made only while the lease lasts. Where the store keeps
  /// leases, it sees to that itself.
  backends::Backend& backend() noexcept;
  /// Whether the store has said that the lease is over: it takes nothing more through `backend()`.
  bool is_over() const noexcept { return kept_ && kept_->is_over(); }
  /// Throws busy if it has.
  void require_accepted() const;

 private:
  bool acquire();
  void refresh();
  void publish();
  void refresh_loop(const std::stop_token& stop);

  Repository& repository_;
  const Clock& clock_;

  mutable std::mutex
      mutex_;  // leaf; guards lapsed_ and last_refresh_ns_; the thread alone uses the rest
  bool lapsed_ = false;
  std::int64_t last_refresh_ns_ = 0;
  Lease lease_;
  std::unique_ptr<backends::StoreLease> kept_;  // by the store; null: the lease is an object
  std::optional<format::ObjectName> current_;   // then
  std::jthread thread_;
};

}  // namespace vgerfs::repo
