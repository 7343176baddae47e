#include "repo/content_reader.h"

#include <algorithm>
#include <array>

#include "base/error.h"

namespace vgerfs::repo {

ContentReader::ContentReader(ChunkReader& reader, const Entry& entry)
    : reader_(reader), extents_(reader, entry), size_(entry.size()) {}

void ContentReader::look_ahead() {
  while (ahead_.size() < kAhead && known_ < size_) {
    const auto located = extents_.at(known_);
    if (!located)
      throw Error{ErrorCode::corrupt, "the file's list of extents ends before the file"};
    known_ = located->start + located->extent.bytes;
    // The first one is fetched by whoever asked.
    if (!ahead_.empty() && located->extent.chunk)
      reader_.prefetch(ChunkKind::data, *located->extent.chunk);
    ahead_.push_back(*located);
  }
}

std::optional<ContentReader::Piece> ContentReader::next() {
  look_ahead();
  if (ahead_.empty()) return std::nullopt;
  const ExtentReader::Located located = ahead_.front();
  ahead_.pop_front();
  const Extent& extent = located.extent;
  Piece piece{
      .start = located.start, .bytes = extent.bytes, .hole = !extent.chunk, .data = {}, .view = {}};
  if (extent.chunk) {
    piece.view = reader_.view(ChunkKind::data, *extent.chunk);
    const std::size_t chunk_bytes = piece.view.bytes.size();
    if (extent.chunk_offset > chunk_bytes || extent.bytes > chunk_bytes - extent.chunk_offset) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("an extent reaches beyond its chunk {}", extent.chunk->short_hex())};
    }
    piece.data =
        piece.view.bytes.subspan(extent.chunk_offset, static_cast<std::size_t>(extent.bytes));
  }
  return piece;
}

void extract_file(ChunkReader& reader, const Entry& entry,
                  const std::function<void(ByteView)>& write) {
  static constexpr std::array<std::byte, 64 * 1024> kZeros{};
  ContentReader content{reader, entry};
  while (const auto piece = content.next()) {
    if (!piece->hole) {
      write(piece->data);
      continue;
    }
    for (std::uint64_t left = piece->bytes; left > 0;) {
      const std::size_t count =
          static_cast<std::size_t>(std::min<std::uint64_t>(left, kZeros.size()));
      write(ByteView{kZeros}.first(count));
      left -= count;
    }
  }
}

}  // namespace vgerfs::repo
