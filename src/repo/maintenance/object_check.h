// What a check sees of a repository's objects without reading packs or trees.
#pragma once

#include <cstdint>
#include <set>
#include <stop_token>
#include <vector>

#include "repo/maintenance/bad_places.h"
#include "repo/maintenance/findings.h"
#include "repo/maintenance/read_rotation.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// Key slots and leases that cannot be opened.
void check_slots(Repository& repository, FindingList& findings);
void check_leases(Repository& repository, FindingList& findings);

/// Index records; reads each of them anew if `read`. Returns how many there are.
std::uint64_t check_records(Repository& repository, bool read, FindingList& findings,
                            const std::stop_token& stop);

/// Snapshots that are unreadable, revoked, or of a foreign host, as of the last refresh.
void check_snapshots(Repository& repository, FindingList& findings);

/// Objects that signed ones claim to have seen and that are not there.
void check_closure(Repository& repository, FindingList& findings);

/// Nothing new rests on them: that they are damaged counts only where it hurts a snapshot.
std::set<PackId> condemned_packs(IndexCache& index);

struct PackSurvey {
  std::vector<ReadRotation::Pack> packs;  ///< in the index and in the store
  std::vector<PackId> suspects;           ///< of them: of another size than the index says
};
/// Packs as listed against the index. What is missing becomes bad places; it is asked for by name,
/// after a refresh: listings lag, and maintenance may have buried it.
PackSurvey survey_packs(Repository& repository, FindingList& findings, BadPlaces& bad);

}  // namespace vgerfs::repo
