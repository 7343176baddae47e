#include "repo/file_capture.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

namespace vgerfs::repo {
namespace {

/// From this size on the kernel is told to read ahead further.
constexpr off_t kSequentialBytes = off_t{2} << 20;

bool same_time(const struct ::timespec& a, const struct ::timespec& b) noexcept {
  return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

off_t seek(int fd, std::uint64_t offset, int whence) noexcept {
  return ::lseek(fd, static_cast<off_t>(offset), whence);
}

}  // namespace

FileCapture::FileCapture(CaptureContext context)
    : context_(std::move(context)), splitter_(context_.chunker, context_.sink) {}

void FileCapture::describe(CapturedFile& captured, int fd, Access access) const {
  const struct ::stat& attributes = captured.attributes;
  set_attributes(captured.entry, attributes, context_.names);
  if (attributes.st_nlink > 1) {
    // The home device is 0, the others keep their number: they differ from it and from each other.
    const std::uint64_t device = attributes.st_dev == context_.home_device ? 0 : attributes.st_dev;
    captured.entry.set_link_group(link_group_of(device, attributes.st_ino));
    captured.entry.set_link_count(
        static_cast<std::uint32_t>(std::min<nlink_t>(attributes.st_nlink, UINT32_MAX)));
  } else {
    captured.entry.clear_link_group();
    captured.entry.clear_link_count();
  }
  captured.entry.clear_xattrs();
  std::vector<XattrValue> xattrs;
  try {
    xattrs = read_xattrs(fd, access);
  } catch (const FileError& error) {
    captured.problem = error;  // the content is worth keeping without them
  }
  add_xattrs(captured.entry, xattrs, context_.sink);
}

bool FileCapture::read_range(int fd, std::uint64_t from, std::uint64_t to) {
  while (from < to) {
    if (context_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the backup was stopped"};
    MutableBytes space = splitter_.space();
    if (space.size() > to - from) space = space.first(static_cast<std::size_t>(to - from));
    const ssize_t count = ::pread(fd, space.data(), space.size(), static_cast<off_t>(from));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw source_error(errno, fmt::format("reading at offset {}", from));
    }
    if (count == 0) return false;
    splitter_.filled(static_cast<std::size_t>(count));
    from += static_cast<std::uint64_t>(count);
    context_.bytes_read += static_cast<std::uint64_t>(count);
  }
  return true;
}

bool FileCapture::read_content(int fd, const struct ::stat& attributes) {
  const auto size = static_cast<std::uint64_t>(attributes.st_size);
  splitter_.start();
  if (attributes.st_size >= kSequentialBytes) ::posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
  const bool sparse =
      size > kHoleBytes && static_cast<std::uint64_t>(attributes.st_blocks) * 512 < size;
  std::uint64_t at = 0;
  while (sparse && at < size) {
    const off_t data = seek(fd, at, SEEK_DATA);
    if (data < 0 && errno != ENXIO) break;  // the file system does not know: read it all
    const std::uint64_t data_start =
        data < 0 ? size : std::min(size, static_cast<std::uint64_t>(data));
    splitter_.skip(data_start - at);
    context_.bytes_read += data_start - at;
    at = data_start;
    if (at == size) break;
    const off_t hole = seek(fd, at, SEEK_HOLE);
    if (hole < 0) break;
    const std::uint64_t data_end = std::min(size, static_cast<std::uint64_t>(hole));
    if (data_end <= at) break;  // changes while we look
    if (!read_range(fd, at, data_end)) return false;
    at = data_end;
  }
  return read_range(fd, at, size);
}

CapturedFile FileCapture::capture_regular(const Fd& file, const struct ::stat& attributes) {
  CapturedFile captured;
  captured.attributes = attributes;
  const Timestamp opened = context_.file_clock();
  describe(captured, file.get(), Access::open);
  const bool whole = read_content(file.get(), attributes);
  splitter_.finish(captured.entry);
  const struct ::stat after = stat_of(file.get());
  const bool changed = !whole || after.st_size != attributes.st_size ||
                       !same_time(after.st_mtim, attributes.st_mtim);
  if (!changed && !same_time(after.st_ctim, attributes.st_ctim)) {
    // Only attributes changed: the later ones are as true.
    captured.attributes = after;
    describe(captured, file.get(), Access::open);
  }
  if (changed)
    captured.problem = FileError{FailureKind::changed, "changed while it was read; kept as read"};
  captured.settled = !captured.problem && is_settled(file.get(), captured.attributes, opened);
  return captured;
}

CapturedFile FileCapture::capture_special(const Fd& file, const struct ::stat& attributes) const {
  CapturedFile captured;
  captured.attributes = attributes;
  const Timestamp opened = context_.file_clock();
  describe(captured, file.get(), Access::path);
  if (captured.entry.type() == EntryType::ENTRY_SYMLINK)
    captured.entry.set_symlink_target(read_link(file.get()));
  captured.settled = !captured.problem && is_settled(file.get(), attributes, opened);
  return captured;
}

CapturedFile FileCapture::capture(int directory, const char* name, const struct ::stat& seen) {
  // Not to wait for a fifo's writer, nor to own a terminal, if one of them has taken the file's
  // place.
  constexpr int kReadFlags = O_RDONLY | O_NONBLOCK | O_NOCTTY;
  struct ::stat expected = seen;
  for (int attempt = 0; attempt < 3; ++attempt) {
    const bool regular = S_ISREG(expected.st_mode);
    Fd file;
    try {
      file = open_source(directory, name, regular ? kReadFlags : O_PATH, expected.st_uid);
    } catch (const FileError&) {
      // A symlink in the place of a file cannot be opened like this; see what is there.
      struct ::stat now {};
      if (!regular || ::fstatat(directory, name, &now, AT_SYMLINK_NOFOLLOW) != 0 ||
          S_ISREG(now.st_mode))
        throw;
      expected = now;
      continue;
    }
    const struct ::stat attributes = stat_of(file.get());
    if (S_ISREG(attributes.st_mode) != regular) {
      expected = attributes;
      continue;
    }
    const EntryType type = entry_type(attributes.st_mode);
    if (type == EntryType::ENTRY_UNSPECIFIED) {
      throw FileError{FailureKind::unreadable, "files of this type cannot be stored"};
    }
    if (type == EntryType::ENTRY_DIRECTORY) break;
    return regular ? capture_regular(file, attributes) : capture_special(file, attributes);
  }
  throw FileError{FailureKind::changed, "became something else while it was read"};
}

CapturedFile FileCapture::capture_stream(int fd) {
  CapturedFile captured;
  splitter_.start();
  for (;;) {
    if (context_.stop.stop_requested())
      throw Error{ErrorCode::interrupted, "the backup was stopped"};
    const MutableBytes space = splitter_.space();
    const ssize_t count = ::read(fd, space.data(), space.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw source_error(errno, "reading");
    }
    if (count == 0) break;
    splitter_.filled(static_cast<std::size_t>(count));
    context_.bytes_read += static_cast<std::uint64_t>(count);
  }
  const Timestamp now = context_.file_clock();
  captured.attributes.st_mode = S_IFREG | S_IRUSR | S_IWUSR;
  captured.attributes.st_uid = ::geteuid();
  captured.attributes.st_gid = ::getegid();
  captured.attributes.st_nlink = 1;
  captured.attributes.st_mtim = captured.attributes.st_ctim = {now.s, static_cast<long>(now.ns)};
  set_attributes(captured.entry, captured.attributes, context_.names);
  splitter_.finish(captured.entry);
  return captured;
}

}  // namespace vgerfs::repo
