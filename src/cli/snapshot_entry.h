// From SNAPSHOT[:PATH], as a user writes it, to the entry that it names.
#pragma once

#include <string>

#include "repo/repository.h"
#include "repo/tree.h"

namespace vgerfs::cli {

struct SnapshotEntry {
  repo::SnapshotPath at;
  repo::Entry entry;
};

/// Throws not_found if there is no such snapshot or nothing at the path, usage as
/// resolve_snapshot does.
SnapshotEntry find_snapshot_entry(repo::Repository& repository, const std::string& text);

}  // namespace vgerfs::cli
