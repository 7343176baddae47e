// Leases that a store keeps by its own clock, and enforces.
#pragma once

#include <cstdint>
#include <string>

#include "backends/backend.h"
#include "base/bytes.h"
#include "base/ids.h"

namespace vgerfs::backends {

struct WantedLease {
  ByteView object;  ///< sealed, as it lies in locks/
  bool is_exclusive = false;
  std::uint32_t ttl_s = 0;
};

/// A lease that this process holds. Many threads may call every function at once. Destroyed before
/// it is released, it goes on until its ttl has passed.
class StoreLease {
 public:
  virtual ~StoreLease() = default;

  /// May be less than was asked for.
  virtual std::uint32_t ttl_s() const noexcept = 0;
  /// The same store. Once the lease is over, it takes no change that is made through this:
  /// Error{busy}. Also changes that were under way then. Lives as long as the lease.
  virtual Backend& backend() noexcept = 0;
  /// Begins the ttl anew; false: the lease is over, for ever. Throws what Backend::write throws:
  /// then nobody knows.
  virtual bool renew() = 0;
  /// Whether the store has said that it is over.
  virtual bool is_over() const noexcept = 0;
  virtual void release() = 0;
};

/// One that somebody holds.
struct ListedStoreLease {
  LeaseId id;  ///< of its object
  bool is_exclusive = false;
  std::uint64_t fence = 0;  ///< grows from lease to lease
  std::string token;        ///< whom the store gave it to
  std::int64_t left_s = 0;
};

}  // namespace vgerfs::backends
