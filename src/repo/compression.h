// zstd frames (RFC 8878), bounded on the way back.
#pragma once

#include <cstddef>
#include <memory>

#include "base/bytes.h"

namespace vgerfs::repo {

/// A reusable compression context; one thread at a time.
class Compressor {
 public:
  /// zstd level 1 … 19.
  explicit Compressor(int level);
  ~Compressor();
  Compressor(const Compressor&) = delete;
  Compressor& operator=(const Compressor&) = delete;

  /// One frame of `plain` in `out` (not overlapping); its length, or 0 if it would not fit. Give
  /// `out` less than the plaintext's size to say "only if it pays".
  std::size_t compress(ByteView plain, MutableBytes out);

  /// Largest frame for an input of this size.
  static std::size_t bound(std::size_t plain_bytes) noexcept;

 private:
  struct State;
  std::unique_ptr<State> state_;
};

/// Decompresses the frame at the beginning of `frame` into exactly `plain` (not overlapping); what
/// follows it must be zero padding. Throws corrupt otherwise. Memory use does not depend on what
/// the frame says. Thread-safe (contexts are per thread).
void decompress(ByteView frame, MutableBytes plain);

/// Whether all bytes are zero: padding.
[[nodiscard]] bool is_zero(ByteView bytes) noexcept;

}  // namespace vgerfs::repo
