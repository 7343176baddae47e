// What the index says of every chunk, in little memory: so that a check need not ask the index
// about each reference, and keeps a few bits of its own for each chunk.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "base/ids.h"
#include "crypto/random.h"
#include "repo/chunk.h"

namespace vgerfs::repo {

/// 15 bytes per chunk (150 MB for ten million): a 64-bit hash of its id, kind, length and flags.
/// The hash is keyed with fresh randomness: nobody who writes chunks can choose two that agree in
/// it, whereas ids can be chosen so by who holds K_id. By chance one chunk in 10^12 is taken for
/// another.
///
/// First one thread adds all places; then many threads may ask and set flags.
class ChunkTable {
 public:
  /// `expected`: places that will be added; more are possible.
  ChunkTable(std::uint64_t expected, crypto::Random& random);

  /// A place of the chunk, and whether it is known to be bad.
  void add(const ChunkId& id, ChunkKind kind, std::uint32_t plain_bytes, bool bad);

  enum class State {
    unknown,  ///< no record names it
    bad,      ///< all its places are
    good,
    contradicted  ///< good places disagree in kind or length: ask the index
  };
  struct Found {
    State state = State::unknown;
    ChunkKind kind{};
    std::uint32_t plain_bytes = 0;
  };
  Found find(const ChunkId& id) const;

  enum class Flag : std::uint32_t {
    visited = 1U << 30,  ///< a directory: looked at
    clean = 1U << 31,    ///< a directory: nothing below it is bad
  };
  /// False if the flag was set, or if the chunk is unknown.
  bool set(const ChunkId& id, Flag flag);
  bool has(const ChunkId& id, Flag flag) const;
  /// What was good turned out to be bad when it was read.
  void turn_bad(const ChunkId& id);

  std::size_t memory_bytes() const noexcept;
  std::uint64_t size() const noexcept { return count_; }

 private:
  std::uint64_t hash_of(const ChunkId& id) const;
  std::size_t slot_of(std::uint64_t hash) const;
  std::optional<std::size_t> find_slot(const ChunkId& id) const;
  std::uint32_t load(std::size_t slot) const;
  void grow();

  const std::array<std::byte, 16> key_;
  std::vector<std::uint64_t> hashes_;  // 0: free
  std::vector<std::uint32_t> values_;  // length (24 bits), kind - 1 (2 bits), flags
  std::uint64_t count_ = 0;
};

}  // namespace vgerfs::repo
