// Reads a pack from front to back in large steps, and hashes it on the way.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>

#include "backends/backend.h"
#include "base/sha256.h"

namespace vgerfs::repo {

/// Memory: a few MiB, or the longest part asked for. One thread at a time.
class PackStream {
 public:
  /// Throws not_found if the pack is certainly not there.
  PackStream(backends::Backend& backend, const PackId& id, std::stop_token stop);

  std::uint64_t stored_bytes() const noexcept { return stored_bytes_; }
  std::uint64_t read_bytes() const noexcept { return read_bytes_; }

  /// A part that begins where the one before ended, or behind. Valid until the next call. Throws
  /// corrupt if the pack ends before, what the store throws, and interrupted when it is to stop.
  ByteView read(std::uint64_t offset, std::size_t bytes);
  /// Reads what is left. Whether the pack has the bytes that its name says.
  bool finish();

 private:
  /// Extends the window; false, and a gap, if a part cannot be read.
  bool load(std::uint64_t end);

  backends::Backend& backend_;
  const format::ObjectName name_;
  const PackId id_;
  const std::stop_token stop_;
  std::uint64_t stored_bytes_ = 0;
  std::uint64_t read_bytes_ = 0;
  Sha256 hash_;
  bool gap_ = false;  // a part could not be read: the hash means nothing
  Bytes window_;
  std::uint64_t window_begin_ = 0;
};

}  // namespace vgerfs::repo
