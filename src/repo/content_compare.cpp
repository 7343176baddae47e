#include "repo/content_compare.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <vector>

#include "base/fd.h"
#include "repo/compression.h"
#include "repo/content_reader.h"
#include "repo/file_failure.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kPieceBytes = std::size_t{1} << 20;

class OpenFile {
 public:
  explicit OpenFile(int fd) : fd_(fd) {}

  /// Fewer bytes at the file's end.
  ByteView read(std::uint64_t at, std::size_t count) {
    buffer_.resize(std::max(buffer_.size(), count));
    try {
      return ByteView{buffer_}.first(
          read_at(fd_, MutableBytes{buffer_}.first(count), at, "reading"));
    } catch (const Error& error) {
      throw FileError{FailureKind::unreadable, error.message()};
    }
  }
  /// Where data begins at or behind `at`: what lies before it is a hole.
  std::uint64_t data_from(std::uint64_t at) const {
    const off_t data = ::lseek(fd_, static_cast<off_t>(at), SEEK_DATA);
    if (data >= 0) return static_cast<std::uint64_t>(data);
    return errno == ENXIO ? UINT64_MAX : at;
  }

 private:
  const int fd_;
  std::vector<std::byte> buffer_;
};

}  // namespace

std::optional<std::uint64_t> first_difference(ChunkReader& reader, const Entry& entry, int fd,
                                              const std::function<void(std::uint64_t)>& done) {
  struct ::stat there {};
  if (::fstat(fd, &there) != 0) throw source_error(errno, "reading attributes");
  if (static_cast<std::uint64_t>(there.st_size) != entry.size())
    return std::min<std::uint64_t>(static_cast<std::uint64_t>(there.st_size), entry.size());
  OpenFile file{fd};
  ContentReader content{reader, entry};
  while (const auto piece = content.next()) {
    const std::uint64_t end = piece->start + piece->bytes;
    if (!piece->hole) {
      const ByteView bytes = file.read(piece->start, piece->data.size());
      const auto [mine, theirs] =
          std::mismatch(bytes.begin(), bytes.end(), piece->data.begin(), piece->data.end());
      if (theirs != piece->data.end())
        return piece->start + static_cast<std::uint64_t>(mine - bytes.begin());
    }
    for (std::uint64_t at = piece->start; piece->hole && at < end;) {
      at = std::max(at, file.data_from(at));
      if (at >= end) break;
      const ByteView bytes =
          file.read(at, static_cast<std::size_t>(std::min<std::uint64_t>(end - at, kPieceBytes)));
      if (bytes.empty() || !is_zero(bytes)) return at;
      at += bytes.size();
      done(0);
    }
    done(piece->bytes);
  }
  return std::nullopt;
}

}  // namespace vgerfs::repo
