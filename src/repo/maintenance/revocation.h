// Revoking an ingest author: what it has signed stays, what it signs from now on does not count
// (docs/FORMAT.md section 9.1). Nothing is deleted.
#pragma once

#include "repo/repository.h"

namespace vgerfs::repo {

/// Signed by an author and there when it was revoked.
struct RevokedAuthor {
  std::size_t records = 0;
  std::size_t snapshots = 0;
  bool was_revoked = false;  ///< before: nothing was written
};

/// Lists, publishes a revocation that lets all objects survive which the store shows then, and
/// refreshes. Safe beside everything; an object that arrives meanwhile may not count. Throws usage
/// for a full author, who cannot be revoked; as require_maintainer.
RevokedAuthor revoke_author(Repository& repository, const Certificate& author);

}  // namespace vgerfs::repo
