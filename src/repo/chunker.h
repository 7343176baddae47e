// Content-defined chunking: gear-hash FastCDC with normalised chunking (docs/FORMAT.md section 6.1;
// Xia et al., "FastCDC", USENIX ATC 2016), and holes for long runs of zeros.
#pragma once

#include <cstddef>
#include <cstdint>

#include "base/bytes.h"
#include "repo/config.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// Runs of zeros at least this long become holes.
inline constexpr std::size_t kHoleBytes = 64 * 1024;

/// Finds cut points. Stateless after construction; thread-safe.
///
///     while (const auto piece = chunker.next(bytes, at_end); piece.bytes > 0) {
///       …store or skip bytes.first(piece.bytes)…
///       bytes = bytes.subspan(piece.bytes);
///     }
///     // Not at the end: move `bytes` to the front of the buffer and read more behind it.
class Chunker {
 public:
  /// Throws usage for parameters that FORMAT.md section 4 does not allow.
  Chunker(const ChunkerParameters& parameters, const GearTable& gear);

  struct Piece {
    std::size_t bytes = 0;
    bool hole = false;
  };
  /// The first piece of `bytes`, which continue the file right behind the piece before. With
  /// `at_end` false more bytes may follow, and {0} says that they are needed to decide: never when
  /// bytes.size() ≥ enough_bytes(). Cutting a stream piecewise, in whatever portions, gives the
  /// same pieces as cutting it whole. A long hole comes in pieces of max_bytes().
  Piece next(ByteView bytes, bool at_end) const;

  std::size_t max_bytes() const noexcept { return parameters_.max_bytes; }
  /// What `next` looks at, at most: a longest chunk, and the run of zeros that may begin at its
  /// end.
  std::size_t enough_bytes() const noexcept { return max_bytes() + kHoleBytes; }

 private:
  /// Length of the first chunk of `bytes` (at most max_bytes) by the gear rule alone.
  std::size_t cut(ByteView bytes) const;

  ChunkerParameters parameters_;
  GearTable gear_;
  // A fingerprint below the limit has its top k bits zero.
  std::uint64_t limit_small_;  // before the average size: k = b + 2
  std::uint64_t limit_large_;  // from there on: k = b − 2
};

}  // namespace vgerfs::repo
