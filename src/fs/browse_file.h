// A file of a snapshot while it is read: finds extents, fetches chunks in parallel, and reads ahead
// of a sequential reader.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "base/bytes.h"
#include "fs/browse_source.h"
#include "repo/extents.h"
#include "repo/tree.h"

namespace vgerfs::fs {

/// Bytes of a file as they lie in decoded blocks, in order, without a copy. The views live as long
/// as this.
struct FileBytes {
  std::vector<ByteView> pieces;
  std::uint64_t size = 0;
  std::vector<std::shared_ptr<const void>> owners;
};

/// Thread-safe. Errors: what the source throws, and Error{corrupt} if the extents do not cover the
/// size.
class BrowseFile {
 public:
  BrowseFile(BrowseSource& source, repo::Entry entry);

  /// All bytes from `offset` on up to `size` or the file's end; never fewer.
  FileBytes read(std::uint64_t offset, std::uint64_t size);

  /// The first offset from `offset` on that lies in data (in a hole; the end counts as one), as
  /// lseek(2). Throws FsError{ENXIO}.
  std::uint64_t seek(std::uint64_t offset, bool data);

 private:
  using Located = repo::ExtentReader::Located;

  std::vector<Located> locate(std::uint64_t offset, std::uint64_t end);
  void read_ahead(std::uint64_t offset, std::uint64_t end);

  BrowseSource& source_;
  const repo::Entry entry_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<repo::ExtentReader>> idle_;  // guarded by mutex_, as all below
  std::uint64_t stream_end_ = 0;                           // where a sequential reader goes on
  std::uint64_t ahead_end_ = 0;                            // fetched ahead up to here
  std::uint64_t ahead_bytes_ = 0;                          // how far; 0: not sequential
};

/// st_blocks: 512-byte blocks that hold data. Reads a bounded part of a long list of extents; the
/// rest counts as data.
std::uint64_t count_blocks(repo::ChunkSource& source, const repo::Entry& entry);
/// Whether count_blocks does I/O.
bool blocks_need_reading(const repo::Entry& entry);

}  // namespace vgerfs::fs
