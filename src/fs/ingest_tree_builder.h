// Builds the trees of a commit: only directories in which something changed, from their base and
// what lies over it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "fs/ingest_context.h"
#include "repo/tree.h"

namespace vgerfs::fs {

class IngestSource;

struct BuiltTree {
  repo::Entry root;
  /// New subtrees of the directories that were built.
  std::vector<std::pair<InodePtr, std::optional<ChunkId>>> directories;
  /// Files that were not at rest, as they are stored now.
  std::vector<std::pair<InodePtr, std::shared_ptr<const StoredContent>>> contents;
};

/// With the source's gate closed; contents are sealed, names of changed hard links are known.
/// `sink` takes the metadata.
BuiltTree build_tree(IngestSource& source, repo::ChunkSink& sink);

/// A number that the links of this inode will share and no other inode has.
std::uint64_t new_link_group(const Inode& inode, const IngestSource& source);

}  // namespace vgerfs::fs
