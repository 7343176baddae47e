// A set of 64-bit numbers in little memory, for walks that must not do a thing twice.
#pragma once

#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

namespace vgerfs::repo {

/// Open addressing, 11 to 22 bytes per number. The numbers must be well mixed (ids, hashes). One
/// thread at a time.
class NumberSet {
 public:
  /// True if it was not in the set.
  bool insert(std::uint64_t number) {
    if (number == 0) return !std::exchange(has_zero_, true);
    if ((count_ + 1) * 4 > slots_.size() * 3) grow();
    if (!place(slots_, number)) return false;
    ++count_;
    return true;
  }
  std::size_t size() const noexcept { return count_ + (has_zero_ ? 1 : 0); }

 private:
  static bool place(std::vector<std::uint64_t>& slots, std::uint64_t number) {
    const std::size_t mask = slots.size() - 1;
    for (std::size_t at = number & mask;; at = (at + 1) & mask) {
      if (slots[at] == number) return false;
      if (slots[at] != 0) continue;
      slots[at] = number;
      return true;
    }
  }
  void grow() {
    std::vector<std::uint64_t> larger(slots_.empty() ? 64 : slots_.size() * 2);
    for (const std::uint64_t number : slots_) {
      if (number != 0) place(larger, number);
    }
    slots_.swap(larger);
  }

  std::vector<std::uint64_t> slots_;  // a power of two of them; 0: free
  std::size_t count_ = 0;
  bool has_zero_ = false;
};

}  // namespace vgerfs::repo
