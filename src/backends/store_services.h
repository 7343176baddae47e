// What only a server can do for its clients, beyond keeping objects (docs/PROTOCOL.md). A store
// without it works as well, only slower: whoever uses this has another way.
#pragma once

#include <memory>
#include <optional>
#include <vector>

#include "backends/store_lease.h"
#include "format/store_change.h"

namespace vgerfs::backends {

/// How what a store tells of its history relates to what this client remembers of it.
enum class Continuity {
  continues,  ///< the remembered head lies on it
  unknown,    ///< nothing is remembered, or it does not go back so far any more
  broken,     ///< it is another history: the store was set back, or changed behind its back
};

struct StoreHistory {
  format::ChainHead head;
  Continuity continuity = Continuity::unknown;
};

/// Thread-safe; errors as Backend's.
class StoreServices {
 public:
  virtual ~StoreServices() = default;

  /// nullopt: this store keeps no history.
  virtual std::optional<StoreHistory> history(const std::optional<format::ChainHead>& known) = 0;
  /// Null: this store keeps no leases, so that one is just an object. Throws busy, naming the
  /// holder, if an exclusive one is wanted and another is live; denied; what `Backend::write`
  /// throws.
  virtual std::unique_ptr<StoreLease> acquire_lease(const WantedLease& wanted);
  /// Those that are live; nullopt: this store keeps none.
  virtual std::optional<std::vector<ListedStoreLease>> leases();
};

}  // namespace vgerfs::backends
