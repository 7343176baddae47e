// The spool: plaintext that waits outside memory, sealed under a key that lives in this process
// only. An unnamed, append-only file in the state directory; what is no longer needed is punched
// out.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/fd.h"
#include "crypto/aead.h"
#include "crypto/random.h"
#include "crypto/secret.h"
#include "repo/limits.h"

namespace vgerfs::repo {

class Spool;

/// Owns a sealed record; its last owner frees its room. Immutable. Must not outlive its spool.
class SpoolRecord {
 public:
  SpoolRecord(Spool& spool, std::uint64_t number, std::uint64_t offset, std::uint32_t bytes,
              const crypto::AeadTag& tag)
      : spool_(spool), number_(number), offset_(offset), bytes_(bytes), tag_(tag) {}
  SpoolRecord(const SpoolRecord&) = delete;
  SpoolRecord& operator=(const SpoolRecord&) = delete;
  ~SpoolRecord();

  std::uint32_t bytes() const noexcept { return bytes_; }
  /// All bytes. Throws corrupt when the file does not give back what was written, io.
  Bytes read() const;

 private:
  friend class Spool;
  Spool& spool_;
  const std::uint64_t number_;  // nonce
  const std::uint64_t offset_;
  const std::uint32_t bytes_;
  const crypto::AeadTag tag_;
};

/// Thread-safe.
class Spool {
 public:
  static constexpr std::size_t kMaxRecordBytes = kMaxChunkBytes;

  /// `limit_bytes` bounds the room taken on disk.
  Spool(const std::string& directory, std::uint64_t limit_bytes, crypto::Random& random);

  /// 1 … kMaxRecordBytes bytes. Null when the limit, or the disk, leaves no room (said once in the
  /// log). Throws io.
  std::shared_ptr<const SpoolRecord> append(ByteView bytes);

  /// Room taken: records are rounded up to whole pages.
  std::uint64_t used_bytes() const noexcept { return used_bytes_; }
  std::uint64_t limit_bytes() const noexcept { return limit_bytes_; }

 private:
  friend class SpoolRecord;
  void free(std::uint64_t offset, std::uint32_t bytes) noexcept;
  void report_full(std::string_view reason);

  const std::uint64_t limit_bytes_;
  const crypto::Cipher cipher_;
  crypto::Secret key_;
  Fd file_;
  std::atomic<std::uint64_t> used_bytes_{0};
  std::atomic<std::uint64_t> next_number_{0};  // nonces: never reused, 2^64 records never come
  std::atomic<bool> full_{false};              // the log line of this shortage is written
  std::mutex mutex_;                           // leaf; guards next_offset_
  std::uint64_t next_offset_ = 0;
};

}  // namespace vgerfs::repo
