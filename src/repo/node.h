// What trees of entries and trees of extents have in common: both kinds of node are messages with a
// level (field 1), items (field 2, level 0) or children (field 3, above) (docs/FORMAT.md section
// 10).
#pragma once

#include <cstddef>
#include <cstdint>

#include <google/protobuf/message_lite.h>

#include "base/bytes.h"

namespace vgerfs::repo {

/// A TreeNode or ExtentNode in its canonical encoding, built item by item, so that its size is
/// known before it is too large and no message holds all of it. Reusable; one thread at a time.
class NodeWriter {
 public:
  explicit NodeWriter(std::uint32_t level);

  /// The node's size with one more item of this encoded size.
  std::size_t bytes_with(std::size_t item_bytes) const noexcept;
  /// Appends an item or, above level 0, a child. `item_bytes` is what item.ByteSizeLong() has just
  /// said.
  void add(const google::protobuf::MessageLite& item, std::size_t item_bytes);

  std::size_t items() const noexcept { return items_; }
  bool empty() const noexcept { return items_ == 0; }
  ByteView view() const noexcept { return bytes_; }
  /// An empty node of the same level.
  void clear();

 private:
  std::uint32_t level_;
  std::size_t items_ = 0;
  Bytes bytes_;
};

/// To be called before an untrusted node is decoded: its size is within limits, and it has not so
/// many items that the decoded message would be out of all proportion. Throws corrupt.
void check_node_size(ByteView node);

}  // namespace vgerfs::repo
