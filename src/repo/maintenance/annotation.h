// Holds and tags that are set after a snapshot was made.
#pragma once

#include <variant>
#include <vector>

#include "repo/index_facts.h"
#include "repo/repository.h"

namespace vgerfs::repo {

struct PropertyChange {
  SnapshotId snapshot;
  std::variant<Hold, Tags> property;
};

/// Says so in records of a time after what they replace, and refreshes. Throws usage for a tag that
/// is not UTF-8; busy if one of the snapshots was removed meanwhile; as require_maintainer.
void set_properties(Repository& repository, const std::vector<PropertyChange>& changes);

}  // namespace vgerfs::repo
