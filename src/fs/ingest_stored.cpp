#include "fs/ingest_stored.h"

#include <algorithm>

#include "fs/ingest_node.h"

namespace vgerfs::fs {

bool StoredExtents::visit(std::uint64_t start, std::uint64_t end,
                          const std::function<bool(std::uint64_t, const repo::Extent&)>& each) {
  end = std::min(end, stored_.bytes);
  // `at` is where the extent begins in the file.
  const auto cut = [&](std::uint64_t at, repo::Extent extent) {
    const std::uint64_t from = std::max(at, start);
    const std::uint64_t to = std::min(at + extent.bytes, end);
    if (extent.chunk) extent.chunk_offset += static_cast<std::uint32_t>(from - at);
    extent.bytes = to - from;
    return each(from, extent);
  };
  if (!stored_.root) {
    std::uint64_t at = 0;
    for (const repo::Extent& extent : stored_.extents) {
      if (at >= end) break;
      if (at + extent.bytes > start && !cut(at, extent)) return false;
      at += extent.bytes;
    }
    return true;
  }
  if (!reader_) {
    fill_content(entry_, stored_);
    reader_.emplace(trees_, entry_);
  }
  for (std::uint64_t at = start; at < end;) {
    const auto located = reader_->at(at);
    if (!located) break;
    if (!cut(located->start, located->extent)) return false;
    at = located->start + located->extent.bytes;
  }
  return true;
}

}  // namespace vgerfs::fs
