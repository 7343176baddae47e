#include "base/fd.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstdio>
#include <filesystem>

#include "base/error.h"

namespace vgerfs {

void Fd::reset() noexcept {
  if (fd_ >= 0) ::close(std::exchange(fd_, -1));
}

Fd open_at(int directory_fd, const std::string& path, int flags, mode_t mode) {
  int fd;
  do {
    fd = ::openat(directory_fd, path.c_str(), flags | O_CLOEXEC, mode);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) throw system_error(errno, "opening " + path);
  return Fd{fd};
}

Fd open_file(const std::string& path, int flags, mode_t mode) {
  return open_at(AT_FDCWD, path, flags, mode);
}

void write_all_at(int fd, ByteView bytes, std::uint64_t offset, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("writing {}", what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
    offset += static_cast<std::uint64_t>(count);
  }
}

void write_all(int fd, ByteView bytes, std::string_view what) {
  while (!bytes.empty()) {
    const ssize_t count = ::write(fd, bytes.data(), bytes.size());
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("writing {}", what));
    }
    bytes = bytes.subspan(static_cast<std::size_t>(count));
  }
}

std::size_t read_at(int fd, MutableBytes out, std::uint64_t offset, std::string_view what) {
  std::size_t done = 0;
  while (done < out.size()) {
    const ssize_t count =
        ::pread(fd, out.data() + done, out.size() - done, static_cast<off_t>(offset + done));
    if (count < 0) {
      if (errno == EINTR) continue;
      throw system_error(errno, fmt::format("reading {}", what));
    }
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

Bytes read_whole_file(const std::string& path, std::size_t max_bytes) {
  constexpr std::size_t kStepBytes = 64 * 1024;
  const Fd fd = open_file(path, O_RDONLY);
  Bytes out;
  for (;;) {
    // One byte beyond the limit is enough to know that the file is too large.
    const std::size_t old = out.size();
    const std::size_t left = max_bytes - old;
    const std::size_t step = left < kStepBytes ? left + 1 : kStepBytes;
    out.resize(old + step);
    const std::size_t got = read_at(fd.get(), MutableBytes{out}.subspan(old), old, path);
    out.resize(old + got);
    if (out.size() > max_bytes) throw Error{ErrorCode::corrupt, path + " is too large"};
    if (got < step) return out;
  }
}

void make_directories(const std::string& path, mode_t mode) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    if (::mkdir(part.c_str(), mode) != 0 && errno != EEXIST)
      throw system_error(errno, "creating directory " + part);
    if (at == std::string::npos) break;
  }
  if (!std::filesystem::is_directory(path)) throw system_error(ENOTDIR, path);
}

std::string descriptor_path(int fd) { return fmt::format("/proc/self/fd/{}", fd); }

void sync_directory(const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY | O_DIRECTORY);
  if (::fsync(fd.get()) != 0) throw system_error(errno, "syncing directory " + path);
}

void replace_file(const std::string& path, std::initializer_list<ByteView> parts, mode_t mode) {
  // Also threads of one process may replace one file: each has a temporary of its own.
  static std::atomic<unsigned> counter = 0;
  const std::string temporary = fmt::format("{}.tmp-{}-{}", path, ::getpid(), ++counter);
  try {
    const Fd fd = open_file(temporary, O_WRONLY | O_CREAT | O_TRUNC, mode);
    for (const ByteView part : parts) write_all(fd.get(), part, temporary);
    if (::fsync(fd.get()) != 0) throw system_error(errno, "syncing " + temporary);
    if (::rename(temporary.c_str(), path.c_str()) != 0) {
      throw system_error(errno, "renaming to " + path);
    }
  } catch (...) {
    ::unlink(temporary.c_str());  // on a full disk it must not stay
    throw;
  }
  const std::string parent = std::filesystem::path(path).parent_path().string();
  sync_directory(parent.empty() ? "." : parent);
}

void replace_file(const std::string& path, ByteView bytes, mode_t mode) {
  replace_file(path, {bytes}, mode);
}

}  // namespace vgerfs
