// Content-defined chunking: gear-hash FastCDC with normalised chunking (docs/FORMAT.md section 6.1; Xia et al., "FastCDC", USENIX ATC
// 2016), and holes for long runs of zeros.
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
class Chunker {
 public:
  Chunker(const ChunkerParameters& parameters, const GearTable& gear);

  struct Piece {
    std::size_t bytes = 0;  // > 0
    bool hole = false;
  };
  /// The first piece of `bytes`. With `at_end` false more bytes may follow, and nullopt-like {0} says that more are needed to decide
  /// (never when bytes.size() ≥ max + kHoleBytes). Cutting a stream piecewise gives the same pieces as cutting it whole.
  Piece next(ByteView bytes, bool at_end) const;

  std::size_t max_bytes() const noexcept { return parameters_.max_bytes; }

 private:
  /// Length of the first chunk of `bytes` by the gear rule alone.
  std::size_t cut(ByteView bytes) const;

  ChunkerParameters parameters_;
  GearTable gear_;
  std::uint64_t mask_small_;
  std::uint64_t mask_large_;
};

}  // namespace vgerfs::repo
