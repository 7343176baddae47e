// Reads files of the ingest view: what the running session received, and holes. Nothing else,
// whoever asks.
#pragma once

#include <cstdint>

#include "base/bytes.h"
#include "fs/ingest_content.h"
#include "fs/ingest_context.h"

namespace vgerfs::fs {

/// A file's content at one moment, taken with the tree's mutex held.
struct ContentView {
  std::shared_ptr<FileContent> content;         // being written; null: at rest
  std::shared_ptr<const StoredContent> stored;  // at rest; null: empty
  std::shared_ptr<repo::ChunkSource> trees;     // where long lists of extents are read
  Epoch epoch = 0;                              // of the running session; 0: none
};
ContentView view_of(const Inode& inode);

/// Fills `out` from its front with the bytes from `offset` on, up to the first that may not be read
/// or the end; returns their number. Throws FsError{EACCES} if the first may not be read. Not for
/// callers with a lock.
std::size_t read_content(IngestContext& context, const ContentView& view, std::uint64_t offset,
                         MutableBytes out);

/// Whether any byte may be read, or there is none.
bool is_readable(const ContentView& view);

/// SEEK_DATA or SEEK_HOLE. Throws FsError{ENXIO} at and beyond the end, and where no data follows.
std::uint64_t seek_content(const ContentView& view, std::uint64_t offset, bool data);

}  // namespace vgerfs::fs
