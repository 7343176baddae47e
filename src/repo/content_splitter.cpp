#include "repo/content_splitter.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kLeastSpace = std::size_t{1} << 20;
constexpr std::size_t kReadAheadBytes = std::size_t{4} << 20;

}  // namespace

ContentSplitter::ContentSplitter(const Chunker& chunker, ChunkSink& sink)
    : chunker_(chunker),
      sink_(sink),
      capacity_(chunker.enough_bytes() + kReadAheadBytes),
      memory_(new std::byte[capacity_]) {}

void ContentSplitter::start() {
  extents_.emplace(sink_);
  begin_ = end_ = zeros_ = 0;
  hole_ = bytes_ = 0;
}

void ContentSplitter::cut(bool at_end) {
  while (begin_ < end_) {
    const ByteView rest{memory_.get() + begin_, held()};
    const Chunker::Piece piece = chunker_.next(rest, at_end);
    if (piece.bytes == 0) break;
    Extent extent{.bytes = piece.bytes, .chunk = std::nullopt, .chunk_offset = 0};
    if (!piece.hole) extent.chunk = sink_.put(ChunkKind::data, rest.first(piece.bytes));
    extents_->add(extent);
    begin_ += piece.bytes;
  }
  zeros_ = std::min(zeros_, held());
}

void ContentSplitter::compact() {
  if (begin_ == 0) return;
  std::memmove(memory_.get(), memory_.get() + begin_, held());
  end_ = held();
  begin_ = 0;
}

void ContentSplitter::fill_in_hole() {
  while (hole_ > 0) {
    if (held() == zeros_ && held() + hole_ > 2 * kHoleBytes) {
      // Nothing but the hole is left to cut. It is long, so it is a hole wherever it is cut; the
      // zeros that stay join those that may follow it, as they would in a full copy.
      const std::uint64_t rest = held() + hole_;
      extents_->add({.bytes = rest - kHoleBytes, .chunk = std::nullopt, .chunk_offset = 0});
      begin_ = end_ = zeros_ = 0;
      hole_ = kHoleBytes;
    }
    compact();
    // Enough zeros to end the chunk before them; more only while zeros of the data before go on in
    // them.
    const std::size_t count = static_cast<std::size_t>(
        std::min<std::uint64_t>({hole_, capacity_ - end_, 2 * kHoleBytes}));
    std::memset(memory_.get() + end_, 0, count);
    end_ += count;
    zeros_ += count;
    hole_ -= count;
    if (hole_ > 0) cut(false);
  }
}

MutableBytes ContentSplitter::space() {
  fill_in_hole();
  if (capacity_ - end_ < kLeastSpace) {
    cut(false);
    compact();
  }
  VGERFS_CHECK(capacity_ - end_ >= kLeastSpace);
  return {memory_.get() + end_, capacity_ - end_};
}

void ContentSplitter::filled(std::size_t count) {
  VGERFS_CHECK(count <= capacity_ - end_);
  if (count == 0) return;
  end_ += count;
  zeros_ = 0;
  bytes_ += count;
}

void ContentSplitter::skip(std::uint64_t count) {
  hole_ += count;
  bytes_ += count;
}

void ContentSplitter::finish(format::proto::Entry& entry) {
  fill_in_hole();
  cut(true);
  VGERFS_CHECK(held() == 0 && extents_->bytes() == bytes_);
  extents_->finish(entry);
  extents_.reset();
}

}  // namespace vgerfs::repo
