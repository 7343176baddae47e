#include "backends/store_services.h"

namespace vgerfs::backends {

std::unique_ptr<StoreLease> StoreServices::acquire_lease(const WantedLease&) { return nullptr; }

std::optional<std::vector<ListedStoreLease>> StoreServices::leases() { return std::nullopt; }

}  // namespace vgerfs::backends
