// Prints what making index records anew takes and what came of it.
#pragma once

#include "cli/output.h"
#include "repo/maintenance/rebuild_index.h"

namespace vgerfs::cli {

void print_rebuild_plan(Output& output, const repo::RebuildPlan& plan);
/// With warnings for packs that could not be named, and for what has to be looked at again.
void print_rebuild_result(Output& output, const repo::RebuildPlan& plan,
                          const repo::RebuildResult& result);

/// For --json: one object.
Json rebuild_json(const repo::RebuildPlan& plan, const repo::RebuildResult& result);

}  // namespace vgerfs::cli
