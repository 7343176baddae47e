// Finds files in the snapshots of one line: which versions there are, and which snapshots have
// each.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "repo/chunk.h"
#include "repo/file_failure.h"
#include "repo/snapshot.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// A file as some snapshots have it.
struct FoundVersion {
  Entry entry;  ///< of the first of them, without content, subtree and xattrs
  std::vector<std::size_t> snapshots;
};
/// All versions at one path, in order of their first snapshots.
struct FoundFile {
  std::string path;
  std::vector<FoundVersion> versions;
};

/// Called for everything that is met, so it may also throw to stop the search.
using FindPredicate = std::function<bool(const std::string& path, const Entry& entry)>;
/// Told of each directory of a snapshot that cannot be read; the search goes on behind it.
using FindFailed =
    std::function<void(std::size_t snapshot, const std::string& path, const Error& error)>;

/// In order of paths. Snapshots that follow each other should be alike: what is the same in both is
/// read once. Versions differ as two snapshots do in a TreeDifference; a directory's content and
/// times make none. Memory: what is found. Throws what reading throws, but for damage.
std::vector<FoundFile> find_versions(ChunkSource& source,
                                     const std::vector<const Snapshot*>& snapshots,
                                     const FindPredicate& is_wanted, const FindFailed& failed);

}  // namespace vgerfs::repo
