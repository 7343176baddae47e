// Blocks as the index cache read them last. Whoever asks for chunks one after another mostly asks
// for neighbours, and a block of thousands of tiny chunks takes a millisecond to read and check.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>

#include "repo/pack_description.h"

namespace vgerfs::repo {

/// Thread-safe. A block is told by its row and the row's check, which covers all of it: a row that
/// was removed and given to another block does not count.
class BlockRowCache {
 public:
  /// Null if it is not one of the last.
  std::shared_ptr<const BlockEntry> find(std::int64_t row, std::int64_t check);
  void insert(std::int64_t row, std::int64_t check, std::shared_ptr<const BlockEntry> block);

 private:
  /// A chunk that maintenance looks up has two places, and several threads do it. A block takes 36
  /// bytes per chunk: 40 KB when they are small, 2.4 MB at the most.
  static constexpr std::size_t kBlocks = 8;
  struct Item {
    std::int64_t row = 0;
    std::int64_t check = 0;
    std::shared_ptr<const BlockEntry> block;  // null: none
  };

  std::mutex mutex_;  // leaf; guards all below
  std::array<Item, kBlocks> items_;
  std::size_t oldest_ = 0;
};

}  // namespace vgerfs::repo
