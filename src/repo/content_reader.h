// A file's content from the repository in order, with what comes next on its way already.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "repo/chunk_reader.h"
#include "repo/extents.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// One thread at a time.
///
///     ContentReader content{reader, entry};
///     while (const auto piece = content.next()) …
class ContentReader {
 public:
  /// Both must outlive it. `entry` is a regular file.
  ContentReader(ChunkReader& reader, const Entry& entry);

  struct Piece {
    std::uint64_t start = 0;
    std::uint64_t bytes = 0;
    bool hole = false;
    ByteView data;  // of a piece that is no hole; valid as long as `view`
    ChunkView view;
  };
  /// The next piece, or nullopt at the end. Throws what reading throws; corrupt if a slice is not
  /// within its chunk.
  std::optional<Piece> next();

 private:
  /// Extents known ahead; their blocks are being fetched.
  static constexpr std::size_t kAhead = 6;
  void look_ahead();

  ChunkReader& reader_;
  ExtentReader extents_;
  const std::uint64_t size_;
  std::uint64_t known_ = 0;  // bytes of the file whose extents were looked up
  std::deque<ExtentReader::Located> ahead_;
};

/// Hands the whole content to `write` in order, zeros for holes. Throws what reading and `write`
/// throw.
void extract_file(ChunkReader& reader, const Entry& entry,
                  const std::function<void(ByteView)>& write);

}  // namespace vgerfs::repo
