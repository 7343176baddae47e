// What `info --exclusive` and `info --growth` show.
#pragma once

#include <string>

#include "cli/command.h"

namespace vgerfs::cli {

/// What each snapshot, or the one named, alone keeps in the repository.
ExitCode exclusive_info(Context& context, repo::Repository& repository,
                        const std::string& snapshot);
/// What the snapshots added, month by month.
ExitCode growth_info(Context& context, repo::Repository& repository);

}  // namespace vgerfs::cli
