// Owned file descriptors and whole-buffer reads and writes.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <initializer_list>
#include <string>
#include <string_view>
#include <utility>

#include "base/bytes.h"

namespace vgerfs {

/// Owns one descriptor; closes it. Move-only.
class Fd {
 public:
  Fd() = default;
  explicit Fd(int fd) noexcept : fd_(fd) {}
  Fd(Fd&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Fd& operator=(Fd&& other) noexcept {
    if (this != &other) {
      reset();
      fd_ = std::exchange(other.fd_, -1);
    }
    return *this;
  }
  Fd(const Fd&) = delete;
  Fd& operator=(const Fd&) = delete;
  ~Fd() { reset(); }

  int get() const noexcept { return fd_; }
  explicit operator bool() const noexcept { return fd_ >= 0; }
  int release() noexcept { return std::exchange(fd_, -1); }
  void reset() noexcept;

 private:
  int fd_ = -1;
};

/// openat(2) with O_CLOEXEC, retried on EINTR. Throws Error with `path` in it.
Fd open_at(int directory_fd, const std::string& path, int flags, mode_t mode = 0);
Fd open_file(const std::string& path, int flags, mode_t mode = 0);

/// pwrite of all bytes. Throws Error (`what` names the file).
void write_all_at(int fd, ByteView bytes, std::uint64_t offset, std::string_view what);
/// write of all bytes at the file position.
void write_all(int fd, ByteView bytes, std::string_view what);
/// pread until `out` is full or the file ends; returns the bytes read.
std::size_t read_at(int fd, MutableBytes out, std::uint64_t offset, std::string_view what);
/// The whole file from its start, at most `max_bytes` (Error{corrupt} if longer).
Bytes read_whole_file(const std::string& path, std::size_t max_bytes);

/// "/proc/self/fd/7": names the very file that a descriptor holds, be it a symlink or a device.
std::string descriptor_path(int fd);
/// Makes a directory and its parents with `mode`; existing ones are left alone.
void make_directories(const std::string& path, mode_t mode);
/// fsync(2) of a directory.
void sync_directory(const std::string& path);
/// Writes temp file beside `path`, fsyncs it, renames it over `path`, fsyncs the directory. The
/// file holds the parts one after another.
void replace_file(const std::string& path, std::initializer_list<ByteView> parts, mode_t mode);
void replace_file(const std::string& path, ByteView bytes, mode_t mode);

}  // namespace vgerfs
