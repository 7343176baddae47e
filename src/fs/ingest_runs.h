// Bounds the plaintext that files being written hold in memory: when all runs together exceed the
// budget, the ones not written for longest are to be cut early.
#pragma once

#include <cstddef>
#include <list>
#include <memory>
#include <mutex>
#include <unordered_map>
#include <vector>

#include "fs/ingest_node.h"

namespace vgerfs::fs {

/// Thread-safe; its mutex is a leaf.
class OpenRuns {
 public:
  explicit OpenRuns(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// The file's run has this size now (0: none). Returns the files whose runs should be closed;
  /// they are taken off the list.
  std::vector<InodePtr> note(const InodePtr& inode, std::size_t run_bytes);

 private:
  struct Item {
    InodePtr inode;
    std::size_t bytes = 0;
  };
  const std::size_t budget_bytes_;
  std::mutex mutex_;       // guards all below
  std::list<Item> order_;  // most recently written first
  std::unordered_map<Inode*, std::list<Item>::iterator> items_;
  std::size_t used_bytes_ = 0;
};

}  // namespace vgerfs::fs
