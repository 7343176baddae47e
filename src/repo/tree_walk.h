// Walking a snapshot's tree: everything below an entry, or one path in it.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

/// Steps through everything below an entry, a directory before what is in it, in order of names.
/// Memory is bounded whatever the depth. One thread.
///
///     TreeWalk walk{source, root, ""};
///     for (auto event = walk.next(); event != TreeWalk::Event::end; event = walk.next()) {
///       if (event == TreeWalk::Event::entry && …) walk.enter();
///     }
class TreeWalk {
 public:
  /// `path` is how paths begin. `root` is not visited itself.
  TreeWalk(ChunkSource& source, const Entry& root, std::string path, const WalkLimits& limits = {});
  ~TreeWalk();

  enum class Event {
    entry,  ///< `entry()` is at `path()`
    leave,  ///< the directory at `path()` was entered and has no more entries
    end,
  };
  /// Throws what reading throws, with the directory's path; calling it again then goes on behind
  /// what cannot be read. Beyond the limit of entries it throws corrupt once, then the walk is at
  /// its end.
  Event next();
  /// Valid until the next call of `next`.
  const Entry& entry() const { return *entry_; }
  /// `path` of the walk, a slash unless that is empty, and the names down to the entry.
  const std::string& path() const noexcept { return path_; }
  /// The next event comes from inside of the current entry, a directory. Throws corrupt if it is
  /// too deep.
  void enter();

 private:
  struct Frame;

  ChunkSource& source_;
  const WalkLimits limits_;
  std::vector<Frame> frames_;  // one per directory under way
  std::string path_;
  const Entry* entry_ = nullptr;
  std::uint64_t visited_ = 0;
};

enum class WalkStep {
  go_on,  ///< enter it if it is a directory
  skip,   ///< do not enter it
  stop,   ///< end the walk
};
/// Both are valid during the call only.
using EntryVisitor = std::function<WalkStep(const std::string& path, const Entry& entry)>;

/// Visits everything below `root`, as TreeWalk does. The first failure ends it.
void for_each_entry(ChunkSource& source, const Entry& root, std::string path,
                    const EntryVisitor& visit, const WalkLimits& limits = {});

/// The entry at a path below `root`; empty names in the path are skipped, so "" is `root` itself.
/// nullopt if there is none, or a part of it is no directory.
std::optional<Entry> find_path(ChunkSource& source, const Entry& root, std::string_view path);

}  // namespace vgerfs::repo
