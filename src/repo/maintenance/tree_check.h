// Walks the trees of many snapshots at once, each directory once: does everything resolve?
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "repo/extents.h"
#include "repo/maintenance/checked_source.h"
#include "repo/maintenance/chunk_table.h"
#include "repo/tree.h"

namespace vgerfs::repo {

struct TreeCounts {
  std::uint64_t directories = 0;
  std::uint64_t files = 0;  ///< entries of distinct directories
  std::uint64_t chunk_references = 0;
  bool damaged = false;  ///< something cannot be read or does not resolve

  TreeCounts& operator+=(const TreeCounts& other) noexcept;
};

/// Looks at one entry: whether it, its attributes and its extents resolve; not at what is in a
/// directory. One thread at a time.
class EntryCheck {
 public:
  /// Nodes are read from `nodes`, everything is looked up in `source`.
  EntryCheck(CheckedSource& source, ChunkSource& nodes) : source_(source), nodes_(nodes) {}

  /// `bad`, if given, is told of each chunk that has no good place, with what is wrong with it
  /// (once or more).
  using BadChunk = std::function<void(ChunkKind kind, const ChunkId& id, const std::string& what)>;
  /// Throws what reading an extent node throws.
  bool is_good(const Entry& entry, TreeCounts& counts, const BadChunk& bad = {});

 private:
  CheckedSource& source_;
  ChunkSource& nodes_;
  ExtentNodeShapes good_extents_;
};

/// Sets ChunkTable::Flag::visited of each directory. `progress` is called by this thread a few
/// times a second. Throws what stops all work.
TreeCounts check_trees(CheckedSource& source, ChunkTable& table, const std::vector<Entry>& roots,
                       unsigned threads, const std::stop_token& stop,
                       const std::function<void(const TreeCounts&)>& progress);

}  // namespace vgerfs::repo
