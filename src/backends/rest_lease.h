// Leases of vgerfs-server (docs/PROTOCOL.md).
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "backends/backend.h"
#include "backends/rest_wire.h"
#include "backends/store_services.h"

namespace vgerfs::backends {

/// A lease's number, which goes with every change that is made under it.
struct Fence {
  std::uint64_t number = 0;
  std::atomic<bool> is_over = false;  ///< as the server has said
};
using FencePtr = std::shared_ptr<Fence>;  // null: under no lease

[[nodiscard]] Error fenced_error(const std::string& location);

/// A store whose changes can be made under a lease.
class FencedStore {
 public:
  virtual ~FencedStore() = default;
  virtual Backend& whole() noexcept = 0;
  virtual void write_under(const FencePtr& fence, const format::ObjectName& name,
                           ByteView bytes) = 0;
  /// Throws for what was written under this fence; what others cannot publish does not matter here.
  virtual void barrier_under(const FencePtr& fence) = 0;
  virtual void remove_under(const FencePtr& fence, const format::ObjectName& name) = 0;
};

/// Null if the server keeps no leases. Both must outlive the lease.
std::unique_ptr<StoreLease> acquire_rest_lease(RestWire& wire, FencedStore& store,
                                               const WantedLease& wanted);
std::optional<std::vector<ListedStoreLease>> list_rest_leases(RestWire& wire);

}  // namespace vgerfs::backends
