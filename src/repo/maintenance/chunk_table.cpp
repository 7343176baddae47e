#include "repo/maintenance/chunk_table.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include "crypto/mac.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

constexpr std::uint32_t kLengthBits = 24;
constexpr std::uint32_t kLengthMask = (1U << kLengthBits) - 1;
constexpr std::uint32_t kKindShift = kLengthBits;
constexpr std::uint32_t kKindMask = 3U << kKindShift;
constexpr std::uint32_t kPlaceMask = kLengthMask | kKindMask;
constexpr std::uint32_t kBad = 1U << 26;
constexpr std::uint32_t kContradicted = 1U << 27;
static_assert(kMaxChunkBytes <= kLengthMask);

/// At most so many of 100 slots are taken.
constexpr std::uint64_t kMaxLoad = 85;

std::size_t slots_for(std::uint64_t count) {
  return static_cast<std::size_t>(count * 100 / kMaxLoad + 64);
}

std::uint32_t pack_place(ChunkKind kind, std::uint32_t plain_bytes) {
  VGERFS_CHECK(plain_bytes <= kLengthMask);
  return plain_bytes | ((static_cast<std::uint32_t>(kind) - 1) << kKindShift);
}

}  // namespace

ChunkTable::ChunkTable(std::uint64_t expected, crypto::Random& random)
    : key_(crypto::random_array<16>(random)),
      hashes_(slots_for(expected)),
      values_(hashes_.size()) {}

std::uint64_t ChunkTable::hash_of(const ChunkId& id) const {
  return std::max<std::uint64_t>(crypto::siphash(key_, id.view()), 1);
}

std::size_t ChunkTable::slot_of(std::uint64_t hash) const {
  // The hash as a fraction of 2^64, of the number of slots.
  __extension__ using Wide = unsigned __int128;
  std::size_t slot = static_cast<std::size_t>((Wide{hash} * hashes_.size()) >> 64);
  while (hashes_[slot] != 0 && hashes_[slot] != hash) {
    if (++slot == hashes_.size()) slot = 0;
  }
  return slot;
}

std::optional<std::size_t> ChunkTable::find_slot(const ChunkId& id) const {
  const std::size_t slot = slot_of(hash_of(id));
  return hashes_[slot] == 0 ? std::nullopt : std::optional{slot};
}

std::uint32_t ChunkTable::load(std::size_t slot) const {
  // std::atomic_ref does not take what is const.
  auto& value = const_cast<std::uint32_t&>(values_[slot]);
  return std::atomic_ref{value}.load(std::memory_order_relaxed);
}

void ChunkTable::grow() {
  std::vector<std::uint64_t> hashes(slots_for(hashes_.size()));
  std::vector<std::uint32_t> values(hashes.size());
  hashes_.swap(hashes);
  values_.swap(values);
  for (std::size_t i = 0; i < hashes.size(); ++i) {
    if (hashes[i] == 0) continue;
    const std::size_t slot = slot_of(hashes[i]);
    hashes_[slot] = hashes[i];
    values_[slot] = values[i];
  }
}

void ChunkTable::add(const ChunkId& id, ChunkKind kind, std::uint32_t plain_bytes, bool bad) {
  if ((count_ + 1) * 100 > hashes_.size() * kMaxLoad) grow();
  const std::uint64_t hash = hash_of(id);
  const std::size_t slot = slot_of(hash);
  const std::uint32_t place = pack_place(kind, plain_bytes);
  std::uint32_t& value = values_[slot];
  if (hashes_[slot] == 0) {
    hashes_[slot] = hash;
    value = place | (bad ? kBad : 0);
    ++count_;
  } else if (!bad && (value & kBad) != 0) {
    value = place;
  } else if (!bad && (value & kPlaceMask) != place) {
    value |= kContradicted;
  }
}

ChunkTable::Found ChunkTable::find(const ChunkId& id) const {
  const std::optional<std::size_t> slot = find_slot(id);
  if (!slot) return {};
  const std::uint32_t value = load(*slot);
  Found found{State::good, static_cast<ChunkKind>(((value & kKindMask) >> kKindShift) + 1),
              value & kLengthMask};
  if ((value & kBad) != 0) {
    found.state = State::bad;
  } else if ((value & kContradicted) != 0) {
    found.state = State::contradicted;
  }
  return found;
}

bool ChunkTable::set(const ChunkId& id, Flag flag) {
  const std::optional<std::size_t> slot = find_slot(id);
  if (!slot) return false;
  const auto bit = static_cast<std::uint32_t>(flag);
  return (std::atomic_ref{values_[*slot]}.fetch_or(bit, std::memory_order_relaxed) & bit) == 0;
}

bool ChunkTable::has(const ChunkId& id, Flag flag) const {
  const std::optional<std::size_t> slot = find_slot(id);
  return slot && (load(*slot) & static_cast<std::uint32_t>(flag)) != 0;
}

void ChunkTable::turn_bad(const ChunkId& id) {
  const std::optional<std::size_t> slot = find_slot(id);
  if (slot) std::atomic_ref{values_[*slot]}.fetch_or(kBad, std::memory_order_relaxed);
}

std::size_t ChunkTable::memory_bytes() const noexcept {
  return hashes_.capacity() * sizeof(std::uint64_t) + values_.capacity() * sizeof(std::uint32_t);
}

}  // namespace vgerfs::repo
