#include "repo/block_row_cache.h"

#include <algorithm>
#include <utility>

namespace vgerfs::repo {

std::shared_ptr<const BlockEntry> BlockRowCache::find(std::int64_t row, std::int64_t check) {
  const std::lock_guard lock{mutex_};
  const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
    return item.block && item.row == row && item.check == check;
  });
  return found == items_.end() ? nullptr : found->block;
}

void BlockRowCache::insert(std::int64_t row, std::int64_t check,
                           std::shared_ptr<const BlockEntry> block) {
  Item item{row, check, std::move(block)};
  const std::lock_guard lock{mutex_};
  std::swap(items_[oldest_], item);
  oldest_ = (oldest_ + 1) % kBlocks;
}

}  // namespace vgerfs::repo
