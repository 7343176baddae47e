// Turns one file of the file system into an entry with its content in chunks. What happens to the
// file meanwhile is noticed.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/chunk.h"
#include "repo/chunker.h"
#include "repo/content_splitter.h"
#include "repo/file_entry.h"
#include "repo/file_failure.h"
#include "repo/settled.h"

namespace vgerfs::repo {

/// What all captures of one backup share. What it refers to is thread-safe and must outlive them.
struct CaptureContext {
  ChunkSink& sink;
  const Chunker& chunker;
  OwnerNames& names;
  /// Counts as 0 in link groups, so that a device number that changes at a reboot does not change
  /// the tree.
  dev_t home_device = 0;
  /// See settled.h; tests have their own.
  Timestamp (*file_clock)() = repo::file_clock;
  std::stop_token stop;
  /// Bytes of files done and under way, for those who watch.
  std::atomic<std::uint64_t>& bytes_read;
};

/// A file as it was read.
struct CapturedFile {
  Entry entry;  // without a name
  /// Whose attributes these are; what the entry says.
  struct ::stat attributes {};
  /// Nothing can have changed since without changing the attributes: they may serve as its
  /// fingerprint.
  bool settled = false;
  /// What is wrong with it although it is kept.
  std::optional<FileError> problem;
};

/// Reads files one after another in the same memory. One thread at a time.
class FileCapture {
 public:
  explicit FileCapture(CaptureContext context);

  /// A file of any type but a directory. `seen`: what the walk saw under this name, which may be
  /// something else by now. Throws FileError if it cannot be had, other errors for a failed sink,
  /// interrupted.
  CapturedFile capture(int directory, const char* name, const struct ::stat& seen);
  /// What comes from a pipe until its end: a regular file of this user, now.
  CapturedFile capture_stream(int fd);

 private:
  CapturedFile capture_regular(const Fd& file, const struct ::stat& attributes);
  CapturedFile capture_special(const Fd& file, const struct ::stat& attributes) const;
  void describe(CapturedFile& captured, int fd, Access access) const;
  /// True if the file ended where its size said.
  bool read_content(int fd, const struct ::stat& attributes);
  bool read_range(int fd, std::uint64_t from, std::uint64_t to);

  const CaptureContext context_;
  ContentSplitter splitter_;
};

}  // namespace vgerfs::repo
