// A compaction by vgerfs-server: how the plan and its answer travel (docs/PROTOCOL.md).
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "backends/rest_wire.h"
#include "backends/store_services.h"

namespace vgerfs::backends {

/// JSON.
std::string compaction_plan_text(const CompactionPlan& plan);

/// Throws Error{unavailable} for what is no answer to this plan.
CompactionAnswer parse_compaction_answer(std::string_view text, const CompactionPlan& plan);

/// See StoreServices.
std::optional<CompactionAnswer> rest_compact(RestWire& wire, const CompactionPlan& plan);

}  // namespace vgerfs::backends
