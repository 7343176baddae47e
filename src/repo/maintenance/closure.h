// Whether all that a snapshot needs is there: every piece of metadata can be read, and the index
// names every chunk of its files. Reads no file content.
#pragma once

#include <cstdint>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/repository.h"

namespace vgerfs::repo {

struct MissingPiece {
  std::string path;  ///< of the file or directory that lacks it
  std::string what;
};
inline constexpr std::size_t kMaxMissingPieces = 20;

struct ClosureReport {
  std::vector<MissingPiece> missing;  ///< at most kMaxMissingPieces
  std::uint64_t missing_count = 0;    ///< all of them; what cannot be read counts once
};

/// By the index as it is now: refresh before. Visits each directory and extent node once; memory
/// grows with their number. Throws what says nothing of the snapshot: unavailable, interrupted, ….
ClosureReport check_closure(Repository& repository, const format::proto::Entry& root,
                            const std::stop_token& stop);

}  // namespace vgerfs::repo
