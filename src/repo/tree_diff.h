// What differs between two directory trees of a repository. Reads no file content: files are the
// same where they refer to the same pieces.
#pragma once

#include <functional>
#include <string>

#include "repo/chunk.h"
#include "repo/tree.h"
#include "repo/tree_walk.h"

namespace vgerfs::repo {

/// Why two entries of one path are not the same. A directory's content and times are not looked
/// at: what changed below it shows there.
struct EntryDifference {
  bool type = false;
  bool content = false;  ///< of a file; a symlink's target; device numbers
  bool mode = false;
  bool owner = false;
  bool mtime = false;
  bool xattrs = false;  ///< ACLs among them

  bool any() const noexcept { return type || content || mode || owner || mtime || xattrs; }
};
EntryDifference compare_entries(const Entry& before, const Entry& after);

struct TreeDifference {
  const std::string& path;
  const Entry* before;         ///< null: added
  const Entry* after;          ///< null: removed
  EntryDifference difference;  ///< where both are there
};

/// Calls `visit` for each difference below two directories, in order of paths, and for each entry
/// below what is only in one of them. A directory that gives way to something else is removed, and
/// that is added. Equal subtrees are not read. What `visit` is given is valid during the call.
/// Throws what reading throws.
void for_each_difference(ChunkSource& source, const Entry& before, const Entry& after,
                         const std::function<void(const TreeDifference&)>& visit);

}  // namespace vgerfs::repo
