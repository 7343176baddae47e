// Removed snapshots that are still in the store: how they are listed, and named.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "cli/command.h"
#include "repo/repository.h"

namespace vgerfs::cli {

/// As a list of their own, with tags, holds and names, so that they are found as others are. Those
/// whose objects are gone or cannot be opened are left out.
repo::SnapshotList removed_list(repo::Repository& repository,
                                const std::vector<repo::RemovedSnapshot>& removed);

/// Prints those that `wanted` chooses: `undelete --list`, `list --removed`.
void print_removed(Context& context, repo::Repository& repository, std::int64_t grace_s,
                   const std::function<bool(const repo::ListedSnapshot&)>& wanted);

}  // namespace vgerfs::cli
