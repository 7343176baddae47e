// The lease of a maintenance run. It saves work: two runs that overlap all the same are safe
// (docs/LOCKING.md).
#pragma once

#include <memory>
#include <vector>

#include "repo/lease_keeper.h"
#include "repo/leases.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// Holding one is the proof that a function asks for. Thread-safe.
class ExclusiveLease {
 public:
  /// Refreshes the repository once the lease is written: state that was loaded before is not used.
  /// Expired leases are removed. Throws busy, naming the holder, if another maintenance run is
  /// live; denied without role full; unsupported if an object in force needs a newer program for
  /// maintenance.
  static std::unique_ptr<ExclusiveLease> acquire(Repository& repository);

  /// When the lease was written, by the clock that stamps the store's objects.
  Timestamp store_now() const noexcept { return store_now_; }
  /// Live leases of sessions when this one was written.
  const std::vector<ListedLease>& sessions() const noexcept { return sessions_; }
  const SessionId& id() const noexcept { return id_; }
  bool held() const { return keeper_.held(); }
  /// What is changed through this is changed while the lease lasts: see LeaseKeeper.
  backends::Backend& backend() const noexcept { return keeper_.backend(); }
  /// Throws busy once the lease has lapsed.
  void require_held() const;

 private:
  explicit ExclusiveLease(Repository& repository, const SessionId& id);

  const SessionId id_;
  mutable LeaseKeeper keeper_;
  Timestamp store_now_;
  std::vector<ListedLease> sessions_;
};

}  // namespace vgerfs::repo
