// What must hold before anything is removed, brought back or annotated.
#pragma once

#include "repo/repository.h"

namespace vgerfs::repo {

/// Throws denied without role full; unsupported if an object in force needs a newer program for
/// maintenance.
void require_maintainer(Repository& repository);

/// Throws corrupt if a listed index record cannot be read: it may hold what is about to be removed.
void require_all_records(const Repository& repository);

}  // namespace vgerfs::repo
