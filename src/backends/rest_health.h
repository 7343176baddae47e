// What a server finds when it reads its objects again (docs/PROTOCOL.md, verify).
#pragma once

#include <cstdint>
#include <optional>

#include "backends/rest_wire.h"
#include "backends/store_services.h"

namespace vgerfs::backends {

/// See StoreServices. Throw what RestWire throws; unavailable for what is no such answer.
std::optional<StoreHealth> rest_health(RestWire& wire);
std::optional<StoreReading> rest_read_again(RestWire& wire, std::uint64_t max_bytes);

}  // namespace vgerfs::backends
