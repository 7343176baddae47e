// When a maintainer first saw an object of a store that shows no times: so long it has been there
// for certain.
#pragma once

#include <cstdint>
#include <unordered_map>
#include <vector>

#include "format/object_name.h"
#include "repo/leases.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// In seconds, by this machine's clock, of each object in `there`; the others of this type are
/// forgotten. Kept in the state directory, in the SQLite database first_seen.sqlite; if that is
/// lost, everything is seen for the first time, and so counts as young. What was seen at a time
/// that has not come yet (the clock was set back) counts as seen now.
std::unordered_map<ObjectId, std::int64_t> note_first_seen(Repository& repository,
                                                           format::ObjectType type,
                                                           const std::vector<ObjectId>& there);

/// All leases of the store. Where it shows no times they have been there since they were first
/// seen: what their holders wrote says nothing of when they were last refreshed.
std::vector<ListedLease> list_dated_leases(Repository& repository);

}  // namespace vgerfs::repo
