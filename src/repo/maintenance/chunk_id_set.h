// A set of chunk ids in little memory, for walks that must not do a thing twice.
#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <utility>
#include <vector>

#include "base/ids.h"
#include "crypto/random.h"

namespace vgerfs::repo {

/// Keeps the first 16 bytes of each id: 22 to 43 bytes of memory. Nobody can make two that agree in
/// so many bits, whereas 64 bits are within reach of an ingest key's holder, who knows K_id; nor
/// many that meet in few slots, since those depend on a random number. One thread at a time.
class ChunkIdSet {
 public:
  /// True if it was not in the set.
  bool insert(const ChunkId& id) {
    const Key key = key_of(id);
    if (key == Key{}) return !std::exchange(has_zero_, true);
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    if (!place(slots_, key)) return false;
    ++count_;
    return true;
  }
  bool contains(const ChunkId& id) const {
    const Key key = key_of(id);
    if (key == Key{}) return has_zero_;
    if (slots_.empty()) return false;
    const std::size_t mask = slots_.size() - 1;
    for (std::size_t at = slot_of(key) & mask;; at = (at + 1) & mask) {
      if (slots_[at] == key) return true;
      if (slots_[at] == Key{}) return false;
    }
  }
  std::size_t size() const noexcept { return count_ + (has_zero_ ? 1 : 0); }

 private:
  using Key = std::array<std::uint64_t, 2>;

  static Key key_of(const ChunkId& id) {
    Key key;
    std::memcpy(key.data(), id.bytes().data(), sizeof key);
    return key;
  }
  std::size_t slot_of(const Key& key) const {
    std::uint64_t mixed = (key[0] ^ seed_) * 0x9E3779B97F4A7C15;
    mixed = (mixed ^ (mixed >> 32) ^ key[1]) * (seed_ | 1);
    return mixed ^ (mixed >> 32);
  }
  bool place(std::vector<Key>& slots, const Key& key) const {
    const std::size_t mask = slots.size() - 1;
    for (std::size_t at = slot_of(key) & mask;; at = (at + 1) & mask) {
      if (slots[at] == key) return false;
      if (slots[at] != Key{}) continue;
      slots[at] = key;
      return true;
    }
  }
  void grow() {
    std::vector<Key> larger(slots_.empty() ? 64 : slots_.size() * 2);
    for (const Key& key : slots_) {
      if (key != Key{}) place(larger, key);
    }
    slots_.swap(larger);
  }

  std::uint64_t seed_ =
      std::bit_cast<std::uint64_t>(crypto::random_array<8>(crypto::system_random()));
  std::vector<Key> slots_;  // a power of two of them; all zero: free
  std::size_t count_ = 0;
  bool has_zero_ = false;
};

}  // namespace vgerfs::repo
