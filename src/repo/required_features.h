// Whether this version may do a kind of work in a repository: every object in force says what its
// users must know (docs/FORMAT.md section 13).
#pragma once

#include "repo/repository.h"

namespace vgerfs::repo {

enum class Work {
  add,       ///< what sessions write
  maintain,  ///< all else that is written or removed
};

/// Throws unsupported if the config, a record, a snapshot (with a full key) or a live lease needs a
/// feature that this version does not know for such work. Reads the store's leases: whoever takes
/// one does so before. The rest is as of the last refresh.
void require_features(Repository& repository, Work work);

}  // namespace vgerfs::repo
