// Reads many packs with several threads: the part of a check that costs time.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <vector>

#include "repo/maintenance/findings.h"
#include "repo/maintenance/pack_examination.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// A pack against each entry that counts for it: one, unless authors contradict each other.
struct CheckedPack {
  PackId id;
  struct Against {
    IndexedPack entry;  ///< with blocks
    PackReading reading;
  };
  std::vector<Against> entries;  ///< none: it was buried meanwhile

  std::uint64_t read_bytes() const noexcept;
  /// Nothing is wrong with the pack, whatever entries say.
  bool is_good() const noexcept;
};

/// `each` is called by this thread, in no order. Throws what stops all work.
void check_packs(Repository& repository, const std::vector<PackId>& packs, unsigned threads,
                 const std::stop_token& stop, const std::function<void(CheckedPack)>& each);

/// What the readings say, as findings. Of a condemned pack only what a snapshot lacks by it is an
/// error, which a trace adds.
void add_findings(const CheckedPack& pack, bool is_condemned, FindingList& findings);
/// Says of a condemned pack what came of it.
inline constexpr const char* kGivenUp = "; it is given up: nothing new rests on it";

struct HashedBlocks {
  Vouch vouch;
  std::uint64_t count = 0;
};
/// What a full author who has read the pack may vouch for: the blocks of ingest authors whose
/// chunks are all right, and for which nobody has vouched. By entry.
std::vector<HashedBlocks> hashed_blocks(const CheckedPack& pack);

}  // namespace vgerfs::repo
