// Reads the extents of a content at rest.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>

#include "fs/ingest_segments.h"
#include "repo/chunk.h"
#include "repo/extents.h"

namespace vgerfs::fs {

/// Keeps the nodes of a long list at hand from one range to the next. One thread at a time.
class StoredExtents {
 public:
  /// `trees`: where a long list is read. Both must outlive this.
  StoredExtents(repo::ChunkSource& trees, const StoredContent& stored)
      : trees_(trees), stored_(stored) {}

  /// The extents of [start, end), cut to it, in order; until `each` returns false, which is
  /// returned.
  bool visit(std::uint64_t start, std::uint64_t end,
             const std::function<bool(std::uint64_t start, const repo::Extent& extent)>& each);

 private:
  repo::ChunkSource& trees_;
  const StoredContent& stored_;
  format::proto::Entry entry_;                // what reader_ refers to
  std::optional<repo::ExtentReader> reader_;  // of a long list, once it is needed
};

}  // namespace vgerfs::fs
