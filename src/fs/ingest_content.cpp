#include "fs/ingest_content.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

/// A displaced run that is shorter goes to the spool, for more may come beside it; a longer one is
/// worth its chunks.
constexpr std::size_t kSpoolRunBytes = std::size_t{64} << 10;
/// The run's memory is moved together when so much of its front is used up.
constexpr std::size_t kCompactBytes = std::size_t{256} << 10;

}  // namespace

FileContent::FileContent(std::shared_ptr<const StoredContent> stored) : stored_(std::move(stored)) {
  if (stored_) segments_ = SegmentMap{*stored_};
}

std::uint64_t FileContent::bytes() const noexcept {
  return run_bytes() == 0 ? segments_.bytes() : std::max(segments_.bytes(), run_end());
}

void FileContent::place(std::uint64_t start, Segment segment) {
  segments_.replace(start, std::move(segment));
}

void FileContent::settle(std::size_t count, Segment segment) {
  segment.bytes = count;
  // Who received the bytes decides, not who stores them.
  if (segment.kind != SegmentKind::hole) segment.epoch = run_epoch_;
  place(run_start_, std::move(segment));
  run_start_ += count;
  run_used_ += count;
  compact_run();
}

void FileContent::compact_run() {
  if (run_used_ == run_.size()) {
    run_.clear();
    run_used_ = 0;
    // A closed file keeps no memory; an open one that goes on writing allocates once per megabyte.
    run_.shrink_to_fit();
  } else if (run_used_ >= kCompactBytes) {
    run_.erase(run_.begin(), run_.begin() + static_cast<std::ptrdiff_t>(run_used_));
    run_used_ = 0;
  }
}

void FileContent::cut_pieces(ContentPort& port, bool at_end) {
  const repo::Chunker& chunker = port.chunker();
  // Asking for every few bytes would scan the same bytes over and over.
  if (!at_end && run_bytes() < chunker.enough_bytes()) return;
  while (run_bytes() != 0) {
    const auto piece = chunker.next(run_view(), at_end);
    if (piece.bytes == 0) break;
    settle(piece.bytes,
           piece.hole ? Segment::hole(piece.bytes) : port.put(run_view().first(piece.bytes)));
  }
}

void FileContent::close_run(ContentPort& port) { cut_pieces(port, true); }

void FileContent::displace_run(ContentPort& port) {
  if (run_bytes() != 0 && run_bytes() < kSpoolRunBytes) {
    const std::size_t count = run_bytes();
    if (auto record = port.spool(run_view())) {
      settle(count, {.bytes = count, .kind = SegmentKind::spool, .spool = std::move(record)});
      return;
    }
    // The spool is full: what this file has in it makes room, and the run becomes chunks of its
    // own.
    seal(port);
    return;
  }
  close_run(port);
}

void FileContent::write(ContentPort& port, std::uint64_t offset, ByteView bytes) {
  if (bytes.empty()) return;
  const auto joins = [&] {
    return run_bytes() != 0 && run_epoch_ == port.epoch() && offset >= run_start_ &&
           offset <= run_end();
  };
  // A run that an earlier failure left long does not grow further.
  if (joins()) cut_pieces(port, false);
  if (!joins()) {
    displace_run(port);
    run_.clear();
    run_used_ = 0;
    run_start_ = offset;
    run_epoch_ = port.epoch();
  }
  const std::uint64_t before = this->bytes();
  const auto at = static_cast<std::size_t>(offset - run_start_);
  const std::size_t overlap = std::min(bytes.size(), run_bytes() - at);
  std::copy_n(bytes.begin(), overlap, run_.begin() + static_cast<std::ptrdiff_t>(run_used_ + at));
  run_.insert(run_.end(), bytes.begin() + static_cast<std::ptrdiff_t>(overlap), bytes.end());
  changed_.add(std::min(before, offset), offset + bytes.size());
  try {
    cut_pieces(port, false);
  } catch (...) {
    // Who is told that it failed may append the same bytes again.
    if (this->bytes() > before) truncate(before);
    throw;
  }
}

void FileContent::truncate(std::uint64_t bytes) {
  const std::uint64_t before = this->bytes();
  if (bytes < before) {
    if (run_bytes() != 0 && bytes < run_end()) {
      const std::uint64_t kept = bytes > run_start_ ? bytes - run_start_ : 0;
      run_.resize(run_used_ + static_cast<std::size_t>(kept));
      if (kept == 0) compact_run();
    }
    // Cut, or the hole before a run that is gone now.
    if (bytes < segments_.bytes() || this->bytes() < bytes) segments_.truncate(bytes);
  } else if (bytes > before) {
    // The run is the file's end: the hole begins behind it.
    if (segments_.bytes() < before) segments_.truncate(before);
    segments_.truncate(bytes);
  }
  // Also what was cut off: if the file grows again, that range is a hole now.
  changed_.add(std::min(before, bytes), std::max(before, bytes));
}

void FileContent::extend(std::uint64_t bytes) {
  if (bytes > this->bytes()) truncate(bytes);
}

void FileContent::punch(std::uint64_t offset, std::uint64_t length) {
  const std::uint64_t size = bytes();
  if (offset >= size || length == 0) return;
  const std::uint64_t end = length > size - offset ? size : offset + length;
  if (run_bytes() != 0) {
    const std::uint64_t from = std::max(offset, run_start_);
    const std::uint64_t to = std::min(end, run_end());
    if (from < to) {
      const auto first =
          run_.begin() + static_cast<std::ptrdiff_t>(run_used_ + (from - run_start_));
      std::fill(first, first + static_cast<std::ptrdiff_t>(to - from), std::byte{});
    }
  }
  const std::uint64_t in_segments = std::min(end, segments_.bytes());
  if (offset < in_segments) place(offset, Segment::hole(in_segments - offset));
  changed_.add(offset, end);
}

void FileContent::seal(ContentPort& port) {
  close_run(port);
  struct Spooled {
    RangeSet::Range range;
    Epoch epoch;
  };
  std::vector<Spooled> spooled;
  segments_.visit(0, segments_.bytes(), [&](std::uint64_t start, const Segment& segment) {
    if (segment.kind != SegmentKind::spool) return true;
    if (!spooled.empty() && spooled.back().range.end == start &&
        spooled.back().epoch == segment.epoch) {
      spooled.back().range.end += segment.bytes;
    } else {
      spooled.push_back({{start, start + segment.bytes}, segment.epoch});
    }
    return true;
  });
  for (const Spooled& each : spooled) seal_range(port, each.range, each.epoch);
}

void FileContent::seal_range(ContentPort& port, RangeSet::Range range, Epoch epoch) {
  const repo::Chunker& chunker = port.chunker();
  const std::uint64_t end = range.end;
  Bytes buffer;
  std::uint64_t next = range.start;  // to be read into the buffer
  std::uint64_t done = range.start;  // stored so far
  while (done < end) {
    const std::size_t enough = chunker.enough_bytes();
    while (next < end && buffer.size() < enough) {
      std::uint64_t read_to = next;
      segments_.visit(next, end, [&](std::uint64_t, const Segment& segment) {
        const Bytes record = segment.spool->read();
        append(buffer, ByteView{record}.subspan(segment.spool_offset, segment.bytes));
        read_to += segment.bytes;
        return false;
      });
      next = read_to;
    }
    std::size_t used = 0;
    for (;;) {
      const ByteView rest = ByteView{buffer}.subspan(used);
      if (rest.empty()) break;
      const auto piece = chunker.next(rest, next == end);
      if (piece.bytes == 0) break;
      Segment segment = piece.hole ? Segment::hole(piece.bytes) : port.put(rest.first(piece.bytes));
      segment.bytes = piece.bytes;
      if (!piece.hole) segment.epoch = epoch;
      place(done, std::move(segment));
      done += piece.bytes;
      used += piece.bytes;
    }
    buffer.erase(buffer.begin(), buffer.begin() + static_cast<std::ptrdiff_t>(used));
  }
}

std::vector<ContentPiece> FileContent::pieces(std::uint64_t start, std::uint64_t end,
                                              std::size_t max_count) const {
  std::vector<ContentPiece> out;
  end = std::min(end, bytes());
  const auto from_segments = [&](std::uint64_t from, std::uint64_t to) {
    segments_.visit(from, to, [&](std::uint64_t at, const Segment& segment) {
      if (out.size() == max_count) return false;
      out.push_back({at, segment, {}, false});
      return true;
    });
    // Between the segments' end and the run lies a hole that no segment says yet.
    const std::uint64_t known = std::max(from, std::min(to, segments_.bytes()));
    if (known < to && out.size() < max_count)
      out.push_back({known, Segment::hole(to - known), {}, false});
  };
  if (start >= end) return out;
  if (run_bytes() == 0 || run_end() <= start || run_start_ >= end) {
    from_segments(start, end);
    return out;
  }
  const std::uint64_t from = std::max(start, run_start_);
  const std::uint64_t to = std::min(end, run_end());
  if (start < from) from_segments(start, from);
  if (out.size() == max_count) return out;
  const ByteView run = run_view().subspan(static_cast<std::size_t>(from - run_start_),
                                          static_cast<std::size_t>(to - from));
  out.push_back({from,
                 {.bytes = to - from, .kind = SegmentKind::chunk, .epoch = run_epoch_},
                 Bytes{run.begin(), run.end()},
                 true});
  if (to < end) from_segments(to, end);
  return out;
}

std::shared_ptr<const StoredContent> FileContent::at_rest(std::size_t max_extents,
                                                          std::optional<Epoch> epoch) const {
  if (run_bytes() != 0) return nullptr;
  if (segments_.count() == 0) return std::make_shared<StoredContent>();
  auto out = std::make_shared<StoredContent>();
  bool whole = true;
  segments_.visit(0, segments_.bytes(), [&](std::uint64_t, const Segment& segment) {
    // One epoch for all of it: slices of the past would become readable, copies in the spool would
    // be forgotten.
    const bool simple = segment.kind == SegmentKind::hole ||
                        (segment.kind == SegmentKind::chunk &&
                         (!epoch || (segment.epoch == *epoch && !segment.spool)));
    if (!simple || out->extents.size() == max_extents) return whole = false;
    repo::Extent extent{.bytes = segment.bytes};
    if (segment.kind == SegmentKind::chunk) {
      extent.chunk = segment.chunk;
      extent.chunk_offset = segment.chunk_offset;
    }
    out->extents.push_back(extent);
    return true;
  });
  if (!whole) return nullptr;
  out->bytes = segments_.bytes();
  out->epoch = epoch.value_or(0);
  return out;
}

void FileContent::change_epoch(Epoch from, Epoch to) {
  if (run_epoch_ == from) run_epoch_ = to;
  std::vector<std::pair<std::uint64_t, Segment>> received;
  segments_.visit(0, segments_.bytes(), [&](std::uint64_t start, const Segment& segment) {
    const bool data = segment.kind == SegmentKind::chunk || segment.kind == SegmentKind::spool;
    if (data && segment.epoch == from) received.emplace_back(start, segment);
    return true;
  });
  for (auto& [start, segment] : received) {
    segment.epoch = to;
    place(start, std::move(segment));
  }
  if (stored_ && stored_->epoch == from && from != 0) {
    auto moved = std::make_shared<StoredContent>(*stored_);
    moved->epoch = to;
    stored_ = std::move(moved);
  }
}

std::vector<RangeSet::Range> FileContent::unjournaled() const {
  RangeSet ranges;
  const std::uint64_t size = bytes();
  if (!all_unjournaled_) {
    std::vector<RangeSet::Range> out = changed_.list();
    while (!out.empty() && out.back().start >= size) out.pop_back();
    if (!out.empty()) out.back().end = std::min(out.back().end, size);
    return out;
  }
  // All but what the journal names as the stored content that this file began with.
  for (const ContentPiece& piece : pieces(0, size)) {
    if (piece.segment.kind != SegmentKind::stored)
      ranges.add(piece.start, piece.start + piece.segment.bytes);
  }
  return ranges.list();
}

void FileContent::mark_journaled() {
  changed_.clear();
  all_unjournaled_ = false;
}

}  // namespace vgerfs::fs
