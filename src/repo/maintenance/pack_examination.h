// Reads a pack whole: what is in it, compared with its name, its table, and what an index entry
// says of it.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "repo/index_cache.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// A block with a chunk that is not there, or not what it must be.
struct BadBlock {
  std::uint32_t position = 0;  ///< in the entry
  std::uint32_t offset = 0;    ///< in the pack
  std::vector<bool> chunks;    ///< which are bad; empty: all
};

struct PackReading {
  PackId pack;
  EntryDigest entry{};  ///< that it was compared with
  std::uint64_t read_bytes = 0;
  bool missing = false;  ///< it is certainly not in the store
  bool intact = false;   ///< its bytes are those that its name says
  bool newer = false;    ///< some of it needs a newer program, so that nothing is known of that
  bool store_failed = false;         ///< the store could not read all of it: for now, perhaps
  std::string fault;                 ///< the first; empty: all is well
  std::vector<BadBlock> bad_blocks;  ///< in order

  bool is_good() const noexcept { return fault.empty(); }
};

/// Told of each block all of whose chunks were hashed and are right.
using GoodBlock = std::function<void(const BlockEntry& block, ByteView sealed)>;

/// Compares a pack with an entry. Faults of the object are in the result; those of the store as a
/// whole, and a stop, throw (stops_work).
PackReading examine_pack(backends::Backend& backend, const Keyring& keyring,
                         const PackDescription& entry, const EntryDigest& digest,
                         const std::stop_token& stop, const GoodBlock& good = {});

/// The same without an entry: `found` becomes what the blocks' directories say. It describes the
/// pack only if the reading is good.
PackReading examine_unnamed_pack(backends::Backend& backend, const Keyring& keyring,
                                 const PackId& id, const std::stop_token& stop,
                                 PackDescription& found, const GoodBlock& good = {});

}  // namespace vgerfs::repo
