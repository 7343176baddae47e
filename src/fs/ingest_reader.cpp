#include "fs/ingest_reader.h"

#include <algorithm>
#include <cerrno>
#include <optional>

#include "base/error.h"
#include "fs/ingest_source.h"
#include "fs/ingest_stored.h"

namespace vgerfs::fs {
namespace {

/// A stretch of a file that is of one nature.
struct Stretch {
  std::uint64_t start = 0;
  std::uint64_t bytes = 0;
  bool hole = false;
  bool received = false;  // in the running session: readable
  std::optional<ChunkId> chunk;
  std::uint32_t chunk_offset = 0;
  std::shared_ptr<const repo::SpoolRecord> spool;
  std::uint32_t spool_offset = 0;
  Bytes memory;
};

using StretchVisitor = std::function<bool(Stretch&)>;

bool visit_stored_stretches(const ContentView& view, const StoredContent& stored,
                            StoredExtents& extents, std::uint64_t start, std::uint64_t end,
                            const StretchVisitor& each) {
  return extents.visit(start, end, [&](std::uint64_t at, const repo::Extent& extent) {
    Stretch stretch{.start = at, .bytes = extent.bytes, .hole = !extent.chunk};
    stretch.received = view.epoch != 0 && stored.epoch == view.epoch;
    stretch.chunk = extent.chunk;
    stretch.chunk_offset = extent.chunk_offset;
    return each(stretch);
  });
}

void visit_stretches(const ContentView& view, std::uint64_t start, std::uint64_t end,
                     const StretchVisitor& each) {
  if (!view.content) {
    if (!view.stored) return;
    StoredExtents extents{*view.trees, *view.stored};
    visit_stored_stretches(view, *view.stored, extents, start, end, each);
    return;
  }
  // In portions: most callers stop early.
  constexpr std::size_t kPieces = 64;
  std::shared_ptr<const StoredContent> stored;  // one for the content's life
  std::optional<StoredExtents> extents;
  while (start < end) {
    std::vector<ContentPiece> pieces;
    {
      const std::lock_guard lock{view.content->mutex()};
      pieces = view.content->pieces(start, end, kPieces);
      if (!stored) stored = view.content->stored();
    }
    if (stored && !extents) extents.emplace(*view.trees, *stored);
    if (pieces.empty()) return;
    start = pieces.back().start + pieces.back().segment.bytes;
    for (ContentPiece& piece : pieces) {
      const Segment& segment = piece.segment;
      if (segment.kind == SegmentKind::stored) {
        if (!visit_stored_stretches(view, *stored, *extents, piece.start,
                                    piece.start + segment.bytes, each))
          return;
        continue;
      }
      Stretch stretch{
          .start = piece.start, .bytes = segment.bytes, .hole = segment.kind == SegmentKind::hole};
      stretch.received = view.epoch != 0 && segment.epoch == view.epoch;
      if (segment.kind == SegmentKind::chunk && !piece.in_memory) stretch.chunk = segment.chunk;
      stretch.chunk_offset = segment.chunk_offset;
      stretch.spool = segment.spool;
      stretch.spool_offset = segment.spool_offset;
      stretch.memory = std::move(piece.bytes);
      if (!each(stretch)) return;
    }
  }
}

/// Bytes of a received stretch. False: this key cannot read them after all (their session ended
/// meanwhile).
bool read_stretch(IngestContext& context, const Stretch& stretch, MutableBytes out) {
  if (!stretch.memory.empty()) {
    std::copy_n(stretch.memory.begin(), out.size(), out.begin());
    return true;
  }
  if (stretch.spool) {
    const Bytes record = stretch.spool->read();
    std::copy_n(record.begin() + stretch.spool_offset, out.size(), out.begin());
    return true;
  }
  try {
    const repo::ChunkView chunk =
        context.repository.reader().view(repo::ChunkKind::data, *stretch.chunk);
    if (chunk.bytes.size() < stretch.chunk_offset + out.size()) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("chunk {} is shorter than it was", stretch.chunk->short_hex())};
    }
    std::copy_n(chunk.bytes.begin() + stretch.chunk_offset, out.size(), out.begin());
    return true;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::denied) throw;
    return false;
  }
}

}  // namespace

ContentView view_of(const Inode& inode) {
  ContentView view{.content = inode.content, .stored = inode.stored, .trees = nullptr, .epoch = 0};
  if (inode.source != nullptr) {
    view.trees = inode.source->trees;
    view.epoch = inode.source->epoch;
  }
  return view;
}

std::size_t read_content(IngestContext& context, const ContentView& view, std::uint64_t offset,
                         MutableBytes out) {
  std::size_t done = 0;
  bool refused = false;
  visit_stretches(
      view, offset, offset + std::min<std::uint64_t>(out.size(), repo::kMaxFileBytes - offset),
      [&](Stretch& stretch) {
        const MutableBytes part = out.subspan(done, static_cast<std::size_t>(stretch.bytes));
        if (stretch.hole) {
          std::fill(part.begin(), part.end(), std::byte{});
        } else if (!stretch.received || !read_stretch(context, stretch, part)) {
          refused = true;
          return false;
        }
        done += part.size();
        return true;
      });
  if (refused && done == 0) throw FsError{EACCES};
  return done;
}

bool is_readable(const ContentView& view) {
  bool empty = true;
  bool readable = false;
  visit_stretches(view, 0, repo::kMaxFileBytes, [&](const Stretch& stretch) {
    empty = false;
    readable = stretch.hole || stretch.received;
    return !readable;
  });
  return empty || readable;
}

std::uint64_t seek_content(const ContentView& view, std::uint64_t offset, bool data) {
  std::optional<std::uint64_t> found;
  std::uint64_t end = offset;
  visit_stretches(view, offset, repo::kMaxFileBytes, [&](const Stretch& stretch) {
    end = stretch.start + stretch.bytes;
    if (stretch.hole != data) found = stretch.start;
    return !found;
  });
  if (found) return *found;
  // Behind the last byte lies a hole, but only for those who begin before the end.
  if (data || end == offset) throw FsError{ENXIO};
  return end;
}

}  // namespace vgerfs::fs
