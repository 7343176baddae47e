// Walking a snapshot's tree: everything below an entry, or one path in it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "repo/chunk.h"
#include "repo/limits.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// What a tree may make a walk do, whatever its bytes say: a small one can name itself a million
/// times.
struct WalkLimits {
  std::uint32_t depth = kMaxDirectoryDepth;
  std::uint64_t entries = 1'000'000'000;
};

enum class WalkStep {
  go_on,  ///< enter it if it is a directory
  skip,   ///< do not enter it
  stop,   ///< end the walk
};

/// Called with an entry and its path: `path` of the walk, a slash unless that is empty, and the
/// names down to it. Both are valid during the call only.
using EntryVisitor = std::function<WalkStep(const std::string& path, const Entry& entry)>;

/// Visits everything below `root` (not `root` itself), a directory before what is in it, in order
/// of names. `path` is how paths begin. Throws what reading throws (with the directory's path),
/// corrupt beyond the limits. Memory is bounded whatever the depth.
void for_each_entry(ChunkSource& source, const Entry& root, std::string path,
                    const EntryVisitor& visit, const WalkLimits& limits = {});

/// The entry at a path below `root`; empty names in the path are skipped, so "" is `root` itself.
/// nullopt if there is none, or a part of it is no directory.
std::optional<Entry> find_path(ChunkSource& source, const Entry& root, std::string_view path);

}  // namespace vgerfs::repo
