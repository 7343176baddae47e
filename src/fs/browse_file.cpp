#include "fs/browse_file.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>

#include "fs/types.h"

namespace vgerfs::fs {
namespace {

constexpr std::uint64_t kFirstAheadBytes = std::uint64_t{1} << 20;
constexpr std::uint64_t kMaxAheadBytes = std::uint64_t{8} << 20;
/// The kernel's own read-ahead arrives out of order, from several threads.
constexpr std::uint64_t kReorderBytes = std::uint64_t{2} << 20;
/// More pieces than this are copied together: a system call takes 1024, and tiny extents would make
/// more.
constexpr std::size_t kMaxPieces = 256;
constexpr std::size_t kMaxIdleReaders = 8;
constexpr std::uint64_t kMaxCountedExtents = 64 * 1024;

const std::array<std::byte, std::size_t{1} << 20> kZeros{};

void append_zeros(FileBytes& bytes, std::uint64_t count) {
  while (count > 0) {
    const std::uint64_t part = std::min<std::uint64_t>(count, kZeros.size());
    bytes.pieces.push_back(ByteView{kZeros}.first(part));
    count -= part;
  }
}

void join_pieces(FileBytes& bytes) {
  auto joined = std::make_shared<Bytes>();
  joined->reserve(bytes.size);
  for (const ByteView piece : bytes.pieces) append(*joined, piece);
  bytes.pieces = {ByteView{*joined}};
  bytes.owners = {std::move(joined)};
}

[[noreturn]] void throw_short() {
  throw Error{ErrorCode::corrupt, "the file's list of extents ends before its size"};
}

}  // namespace

BrowseFile::BrowseFile(BrowseSource& source, repo::Entry entry)
    : source_(source), entry_(std::move(entry)) {}

std::vector<repo::ExtentReader::Located> BrowseFile::locate(std::uint64_t offset,
                                                            std::uint64_t end) {
  std::unique_ptr<repo::ExtentReader> reader;
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      reader = std::move(idle_.back());
      idle_.pop_back();
    }
  }
  if (!reader) reader = std::make_unique<repo::ExtentReader>(source_, entry_);
  std::vector<Located> extents;
  while (offset < end) {
    std::optional<Located> located = reader->at(offset);
    if (!located) throw_short();
    offset = located->start + located->extent.bytes;
    extents.push_back(std::move(*located));
  }
  const std::lock_guard lock{mutex_};
  if (idle_.size() < kMaxIdleReaders) idle_.push_back(std::move(reader));
  return extents;
}

FileBytes BrowseFile::read(std::uint64_t offset, std::uint64_t size) {
  FileBytes bytes;
  if (offset >= entry_.size()) return bytes;
  bytes.size = std::min(size, entry_.size() - offset);
  const std::uint64_t end = offset + bytes.size;
  const std::vector<Located> extents = locate(offset, end);
  // All but the first are fetched while the first is decoded.
  for (std::size_t i = 1; i < extents.size(); ++i) {
    if (extents[i].extent.chunk) source_.prefetch(repo::ChunkKind::data, *extents[i].extent.chunk);
  }
  read_ahead(offset, end);
  for (const Located& located : extents) {
    const std::uint64_t skip = offset - located.start;
    const std::uint64_t part = std::min(located.extent.bytes - skip, end - offset);
    if (!located.extent.chunk) {
      append_zeros(bytes, part);
    } else {
      const repo::ChunkView view = source_.view(repo::ChunkKind::data, *located.extent.chunk);
      const std::uint64_t begin = located.extent.chunk_offset + skip;
      if (begin > view.bytes.size() || part > view.bytes.size() - begin) throw_short();
      bytes.pieces.push_back(view.bytes.subspan(begin, part));
      bytes.owners.push_back(view.block);
    }
    offset += part;
  }
  if (bytes.pieces.size() > kMaxPieces) join_pieces(bytes);
  return bytes;
}

void BrowseFile::read_ahead(std::uint64_t offset, std::uint64_t end) {
  std::uint64_t from = 0;
  std::uint64_t to = 0;
  {
    const std::lock_guard lock{mutex_};
    const bool sequential =
        offset <= stream_end_ + kReorderBytes && offset + kReorderBytes >= stream_end_;
    if (sequential) {
      stream_end_ = std::max(stream_end_, end);
      ahead_bytes_ = std::min(std::max(ahead_bytes_ * 2, kFirstAheadBytes), kMaxAheadBytes);
    } else {
      stream_end_ = ahead_end_ = end;
      ahead_bytes_ = 0;
    }
    from = std::max(ahead_end_, end);
    to = std::min(stream_end_ + ahead_bytes_, entry_.size());
    if (from >= to) return;
    ahead_end_ = to;
  }
  try {
    for (const Located& located : locate(from, to)) {
      if (located.extent.chunk) source_.prefetch(repo::ChunkKind::data, *located.extent.chunk);
    }
  } catch (const Error&) {
    // Whoever reads there gets the error; this read does not need those extents.
  }
}

std::uint64_t BrowseFile::seek(std::uint64_t offset, bool data) {
  while (offset < entry_.size()) {
    const Located located = locate(offset, offset + 1).front();
    if (located.extent.chunk.has_value() == data) return offset;
    offset = located.start + located.extent.bytes;
    if (!data && offset == entry_.size()) return offset;
  }
  throw FsError{ENXIO};
}

bool blocks_need_reading(const repo::Entry& entry) { return !entry.extents_root().empty(); }

std::uint64_t count_blocks(repo::ChunkSource& source, const repo::Entry& entry) {
  if (entry.type() != repo::EntryType::ENTRY_FILE) return 0;
  std::uint64_t holes = 0;
  std::uint64_t offset = 0;
  repo::ExtentReader reader{source, entry};
  for (std::uint64_t i = 0; i < kMaxCountedExtents; ++i) {
    const auto located = reader.at(offset);
    if (!located) break;
    if (!located->extent.chunk) holes += located->extent.bytes;
    offset = located->start + located->extent.bytes;
  }
  const std::uint64_t data = entry.size() - std::min(holes, entry.size());
  return data / 512 + (data % 512 != 0 ? 1 : 0);
}

}  // namespace vgerfs::fs
