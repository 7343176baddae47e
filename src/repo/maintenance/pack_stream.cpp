#include "repo/maintenance/pack_stream.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/maintenance/stops_work.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kStepBytes = std::size_t{4} << 20;

}  // namespace

PackStream::PackStream(backends::Backend& backend, const PackId& id, std::stop_token stop)
    : backend_(backend), name_(format::pack_name(id)), id_(id), stop_(std::move(stop)) {
  const auto info = backend.stat(name_);
  if (!info) throw Error{ErrorCode::not_found, name_.path() + " is not in the store"};
  stored_bytes_ = info->stored_bytes;
}

bool PackStream::load(std::uint64_t end) {
  throw_if_stopped(stop_);
  const std::uint64_t at = window_begin_ + window_.size();
  end = std::min(std::max(end, at + kStepBytes), stored_bytes_);
  const std::size_t kept = window_.size();
  window_.resize(kept + static_cast<std::size_t>(end - at));
  const MutableBytes fresh = MutableBytes{window_}.subspan(kept);
  try {
    backend_.read(name_, at, fresh);
  } catch (const Error& error) {
    if (stops_work(error.code())) throw;
    gap_ = true;
    return false;
  }
  read_bytes_ += fresh.size();
  hash_.update(fresh);
  return true;
}

ByteView PackStream::read(std::uint64_t offset, std::size_t bytes) {
  VGERFS_CHECK(offset >= window_begin_ && bytes <= kMaxPackBytes);
  if (offset > stored_bytes_ || bytes > stored_bytes_ - offset) {
    throw Error{ErrorCode::corrupt,
                fmt::format("the pack ends at {}, before {}", stored_bytes_, offset + bytes)};
  }
  while (!gap_ && offset + bytes > window_begin_ + window_.size()) {
    const std::uint64_t drop = std::min<std::uint64_t>(offset - window_begin_, window_.size());
    window_.erase(window_.begin(), window_.begin() + static_cast<std::ptrdiff_t>(drop));
    window_begin_ += drop;
    load(offset + bytes);
  }
  if (!gap_)
    return ByteView{window_}.subspan(static_cast<std::size_t>(offset - window_begin_), bytes);
  // Part by part from now on: what is broken must not take its neighbours along.
  throw_if_stopped(stop_);
  window_begin_ = offset;
  window_.resize(bytes);
  backend_.read(name_, offset, window_);
  read_bytes_ += bytes;
  return window_;
}

bool PackStream::finish() {
  while (!gap_ && window_begin_ + window_.size() < stored_bytes_) {
    window_begin_ += window_.size();
    window_.clear();
    load(0);
  }
  return !gap_ && PackId{hash_.finish()} == id_;
}

}  // namespace vgerfs::repo
