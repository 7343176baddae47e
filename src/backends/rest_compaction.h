// A compaction as it travels: the plan to vgerfs-server, and its answer (docs/PROTOCOL.md).
#pragma once

#include <string>
#include <string_view>

#include "backends/store_services.h"

namespace vgerfs::backends {

/// JSON.
std::string compaction_plan_text(const CompactionPlan& plan);

/// Throws Error{unavailable} for what is no answer to this plan.
CompactionAnswer parse_compaction_answer(std::string_view text, const CompactionPlan& plan);

}  // namespace vgerfs::backends
