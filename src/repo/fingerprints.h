// Fingerprints of a source's files as they were read, so that the next backup skips what has not
// changed.
//
//     0            8           12       16                48            56              88
//    +------------+-----------+--------+-----------------+-------------+---------------+
//    | "VGERFPRT" | ver (u32) | zero   | snapshot id (32)| count (u64) | SHA-256 (32)  |
//    +------------+-----------+--------+-----------------+-------------+---------------+
//    | count × { path hash (u64), stat hash (u64) }, ascending                         |
//    +---------------------------------------------------------------------------------+
//
// The digest covers the bytes before it and all rows: a wrong match would leave out a changed file.
#pragma once

#include <compare>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"

namespace vgerfs::repo {

/// One file: 64-bit hashes of its path, and of (device, inode, size, mtime, ctime).
struct Fingerprint {
  std::uint64_t path_hash = 0;
  std::uint64_t stat_hash = 0;
  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend constexpr auto operator<=>(const Fingerprint&, const Fingerprint&) = default;
};

/// Memory-mapped; valid for one snapshot only. Thread-safe.
class FileFingerprints {
 public:
  virtual ~FileFingerprints() = default;
  /// Checks and maps the file; empty (matches nothing) if it is absent, damaged or of another
  /// snapshot.
  static std::unique_ptr<FileFingerprints> open(const std::string& path,
                                                const SnapshotId& snapshot);
  virtual bool matches(std::uint64_t path_hash, std::uint64_t stat_hash) const = 0;
  virtual std::uint64_t size() const = 0;
};

/// Collects fingerprints (16 bytes of memory each) and writes them for the snapshot that they
/// belong to. One thread at a time.
class FingerprintWriter {
 public:
  void add(std::uint64_t path_hash, std::uint64_t stat_hash) {
    rows_.push_back({path_hash, stat_hash});
  }
  /// Sorts and replaces `path` atomically (mode 0600).
  void write(const std::string& path, const SnapshotId& snapshot);

 private:
  std::vector<Fingerprint> rows_;
};

}  // namespace vgerfs::repo
