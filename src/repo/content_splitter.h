// Cuts a stream of bytes into chunks and puts them into a sink: the content of one file at a time,
// in memory that is used again for the next.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "base/bytes.h"
#include "format/tree.pb.h"
#include "repo/chunk.h"
#include "repo/chunker.h"
#include "repo/extents.h"

namespace vgerfs::repo {

/// The stream is cut as if it lay in memory as a whole, with zeros in its holes: a sparse file and
/// its full copy give the same chunks. A hole costs no more work than kHoleBytes of zeros. One
/// thread at a time.
///
///     splitter.start();
///     while (const std::size_t count = read_into(splitter.space())) splitter.filled(count);
///     splitter.finish(entry);
class ContentSplitter {
 public:
  /// Both must outlive the splitter. Allocates about 4 MiB beyond a longest chunk.
  ContentSplitter(const Chunker& chunker, ChunkSink& sink);

  /// Begins a stream; what is left of one that was not finished is forgotten.
  void start();
  /// Memory for the next bytes, at least 1 MiB. May put chunks.
  MutableBytes space();
  /// So many bytes of `space()` were filled.
  void filled(std::size_t count);
  /// A hole of this length comes next.
  void skip(std::uint64_t count);
  /// Bytes so far, holes included.
  std::uint64_t bytes() const noexcept { return bytes_; }
  /// Puts what is left and sets the entry's extents and size.
  void finish(format::proto::Entry& entry);

 private:
  void cut(bool at_end);
  void fill_in_hole();
  void compact();
  std::size_t held() const noexcept { return end_ - begin_; }

  const Chunker& chunker_;
  ChunkSink& sink_;
  const std::size_t capacity_;
  const std::unique_ptr<std::byte[]> memory_;
  std::optional<ExtentListBuilder> extents_;
  std::size_t begin_ = 0;  // not yet cut: [begin_, end_)
  std::size_t end_ = 0;
  std::size_t zeros_ = 0;   // the last of them, which stand for a hole
  std::uint64_t hole_ = 0;  // of which so much is still to come
  std::uint64_t bytes_ = 0;
};

}  // namespace vgerfs::repo
