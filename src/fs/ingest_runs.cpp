#include "fs/ingest_runs.h"

namespace vgerfs::fs {

std::vector<InodePtr> OpenRuns::note(const InodePtr& inode, std::size_t run_bytes) {
  const std::lock_guard lock{mutex_};
  if (const auto found = items_.find(inode.get()); found != items_.end()) {
    used_bytes_ -= found->second->bytes;
    order_.erase(found->second);
    items_.erase(found);
  }
  std::vector<InodePtr> out;
  if (run_bytes == 0) return out;
  order_.push_front({inode, run_bytes});
  items_.emplace(inode.get(), order_.begin());
  used_bytes_ += run_bytes;
  while (used_bytes_ > budget_bytes_) {
    Item& last = order_.back();
    used_bytes_ -= last.bytes;
    items_.erase(last.inode.get());
    out.push_back(std::move(last.inode));
    order_.pop_back();
  }
  return out;
}

}  // namespace vgerfs::fs
