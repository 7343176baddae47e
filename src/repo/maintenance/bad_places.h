// Places of chunks that a check found to be bad.
#pragma once

#include <algorithm>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include "repo/index_cache.h"
#include "repo/maintenance/pack_examination.h"

namespace vgerfs::repo {

/// First one thread adds; then many may ask.
class BadPlaces {
 public:
  /// All that an entry says is in this pack.
  void add_pack(const PackId& pack, const EntryDigest& entry) {
    places_[{pack, entry}] = {true, {}};
  }
  void add_blocks(const PackId& pack, const EntryDigest& entry, std::vector<BadBlock> blocks) {
    places_[{pack, entry}].blocks = std::move(blocks);
  }

  bool contains(const PackId& pack, const EntryDigest& entry, std::uint32_t block_offset,
                std::uint32_t position) const {
    const auto found = places_.find({pack, entry});
    if (found == places_.end()) return false;
    if (found->second.all) return true;
    const auto& blocks = found->second.blocks;
    const auto block = std::lower_bound(
        blocks.begin(), blocks.end(), block_offset,
        [](const BadBlock& each, std::uint32_t offset) { return each.offset < offset; });
    return block != blocks.end() && block->offset == block_offset &&
           (block->chunks.empty() || block->chunks.at(position));
  }
  bool contains(const ChunkPlace& place) const {
    return contains(place.pack, place.entry, place.block->offset, place.position);
  }
  bool has_entry(const PackId& pack, const EntryDigest& entry) const {
    return places_.contains({pack, entry});
  }

 private:
  struct Entry {
    bool all = false;
    std::vector<BadBlock> blocks;  // by offset
  };
  std::map<std::pair<PackId, EntryDigest>, Entry> places_;
};

}  // namespace vgerfs::repo
