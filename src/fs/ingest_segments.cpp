#include "fs/ingest_segments.h"

#include <algorithm>
#include <iterator>
#include <utility>

#include "base/error.h"

namespace vgerfs::fs {
namespace {

/// Whether `second`, right behind `first`, goes on where that ends.
bool adjoining(const Segment& first, const Segment& second) {
  if (first.kind != second.kind) return false;
  switch (first.kind) {
    case SegmentKind::hole:
    case SegmentKind::stored: return true;
    case SegmentKind::chunk:
      return first.chunk == second.chunk && first.epoch == second.epoch &&
             first.spool == second.spool &&
             first.chunk_offset + first.bytes == second.chunk_offset &&
             (!first.spool || first.spool_offset + first.bytes == second.spool_offset);
    case SegmentKind::spool:
      return first.epoch == second.epoch && first.spool == second.spool &&
             first.spool_offset + first.bytes == second.spool_offset;
  }
  return false;
}

}  // namespace

Segment Segment::slice(std::uint64_t from, std::uint64_t count) const {
  VGERFS_CHECK(from <= bytes && count <= bytes - from);
  Segment part = *this;
  part.bytes = count;
  // Chunks and spool records are shorter than 4 GiB.
  if (kind == SegmentKind::chunk) part.chunk_offset += static_cast<std::uint32_t>(from);
  if (spool) part.spool_offset += static_cast<std::uint32_t>(from);
  return part;
}

SegmentMap::SegmentMap(const StoredContent& stored) {
  if (stored.bytes != 0) replace(0, {.bytes = stored.bytes, .kind = SegmentKind::stored});
}

SegmentMap::Map::iterator SegmentMap::split(std::uint64_t at) {
  const auto next = segments_.lower_bound(at);
  if (next != segments_.end() && next->first == at) return next;
  if (next == segments_.begin()) return next;
  const auto reaching = std::prev(next);
  const std::uint64_t before = at - reaching->first;
  if (reaching->second.bytes <= before) return next;
  Segment rest = reaching->second.slice(before, reaching->second.bytes - before);
  reaching->second = reaching->second.slice(0, before);
  return segments_.emplace_hint(next, at, std::move(rest));
}

SegmentMap::Map::iterator SegmentMap::insert(std::uint64_t start, Segment segment) {
  if (segment.kind == SegmentKind::hole) hole_bytes_ += segment.bytes;
  return segments_.emplace(start, std::move(segment)).first;
}

SegmentMap::Map::iterator SegmentMap::erase(Map::iterator from, Map::iterator to) {
  for (auto each = from; each != to; ++each) {
    if (each->second.kind == SegmentKind::hole) hole_bytes_ -= each->second.bytes;
  }
  return segments_.erase(from, to);
}

void SegmentMap::merge_with_next(Map::iterator at) {
  const auto next = std::next(at);
  if (next == segments_.end() || !adjoining(at->second, next->second)) return;
  at->second.bytes += next->second.bytes;
  segments_.erase(next);
}

void SegmentMap::replace(std::uint64_t start, Segment segment) {
  VGERFS_CHECK(segment.bytes != 0);
  if (start > bytes_) truncate(start);
  const std::uint64_t end = start + segment.bytes;
  const auto from = split(start);
  const auto to = end < bytes_ ? split(end) : segments_.end();
  erase(from, to);
  const auto placed = insert(start, std::move(segment));
  bytes_ = std::max(bytes_, end);
  merge_with_next(placed);
  if (placed != segments_.begin()) merge_with_next(std::prev(placed));
}

void SegmentMap::truncate(std::uint64_t bytes) {
  if (bytes < bytes_) {
    erase(split(bytes), segments_.end());
    bytes_ = bytes;
  } else if (bytes > bytes_) {
    const std::uint64_t gap = bytes - bytes_;
    const auto placed = insert(bytes_, Segment::hole(gap));
    bytes_ = bytes;
    if (placed != segments_.begin()) merge_with_next(std::prev(placed));
  }
}

void SegmentMap::visit(std::uint64_t start, std::uint64_t end,
                       const std::function<bool(std::uint64_t, const Segment&)>& each) const {
  end = std::min(end, bytes_);
  if (start >= end) return;
  auto at = std::prev(segments_.upper_bound(start));
  for (; at != segments_.end() && at->first < end; ++at) {
    const std::uint64_t from = std::max(start, at->first);
    const std::uint64_t to = std::min(end, at->first + at->second.bytes);
    if (!each(from, at->second.slice(from - at->first, to - from))) return;
  }
}

void RangeSet::add(std::uint64_t start, std::uint64_t end) {
  if (start >= end) return;
  auto at = ranges_.upper_bound(start);
  if (at != ranges_.begin() && std::prev(at)->second >= start) at = std::prev(at);
  while (at != ranges_.end() && at->first <= end) {
    start = std::min(start, at->first);
    end = std::max(end, at->second);
    at = ranges_.erase(at);
  }
  ranges_.emplace(start, end);
}

std::vector<RangeSet::Range> RangeSet::list() const {
  std::vector<Range> out;
  out.reserve(ranges_.size());
  for (const auto& [start, end] : ranges_) out.push_back({start, end});
  return out;
}

}  // namespace vgerfs::fs
