// Prints what a check or a repair found.
#pragma once

#include <vector>

#include "cli/output.h"
#include "repo/maintenance/findings.h"

namespace vgerfs::cli {

/// The finding, the files that it affects, and what to do.
void print_finding(Output& output, const repo::Finding& finding);

/// For --json: an array of objects.
Json findings_json(const std::vector<repo::Finding>& findings);

}  // namespace vgerfs::cli
