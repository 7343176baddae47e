// Look-ups in the trees of the last snapshot, with the nodes read last kept decoded: one rsync asks
// for every name of a directory, and decoding its node each time would be most of the work.
#pragma once

#include <cstdint>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "base/ids.h"
#include "repo/chunk.h"
#include "repo/tree.h"

namespace vgerfs::fs {

/// The chunks of the last snapshot's trees: one that is not where it must be is damage, never
/// absence (an ENOENT would show a directory as empty). Thread-safe.
class BaseChunks final : public repo::ChunkSource {
 public:
  /// `source` must outlive it.
  explicit BaseChunks(repo::ChunkSource& source) : source_(source) {}
  Bytes get(repo::ChunkKind kind, const ChunkId& id) override;

 private:
  repo::ChunkSource& source_;
};

/// Thread-safe. Nodes are named by their content: they never get stale.
class BaseTree {
 public:
  explicit BaseTree(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  /// The entry of this name in the directory with this root node; nullopt if there is none. Throws
  /// what the source throws, corrupt.
  std::optional<repo::Entry> find(repo::ChunkSource& source, const std::optional<ChunkId>& root,
                                  std::string_view name);

 private:
  using Node = std::shared_ptr<const format::proto::TreeNode>;
  Node load(repo::ChunkSource& source, const ChunkId& id);

  struct Item {
    ChunkId id;
    Node node;
    std::size_t bytes = 0;
  };
  const std::size_t budget_bytes_;
  std::mutex mutex_;       // leaf; guards all below
  std::list<Item> order_;  // most recently used first
  std::unordered_map<ChunkId, std::list<Item>::iterator> items_;
  std::size_t used_bytes_ = 0;
};

}  // namespace vgerfs::fs
