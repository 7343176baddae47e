#include "repo/node_walk.h"

#include <string>
#include <vector>

#include "repo/extents.h"

namespace vgerfs::repo {
namespace {

struct Reference {
  ChunkKind kind;
  ChunkId id;
};

class NodeWalk {
 public:
  NodeWalk(const std::function<bool(ChunkKind, const ChunkId&)>& enter,
           const std::function<void(const ChunkId&)>& need)
      : enter_(enter), need_(need) {}

  void add_entry(const Entry& entry) {
    add(ChunkKind::tree, entry.subtree());
    add(ChunkKind::extents, entry.extents_root());
    for (const auto& xattr : entry.xattrs()) add(ChunkKind::blob, xattr.value_chunk());
    need(entry.extents());
  }

  void run(ChunkSource& source) {
    while (!waiting_.empty()) {
      const Reference next = waiting_.back();
      waiting_.pop_back();
      if (next.kind == ChunkKind::tree) {
        const auto node = decode_tree_node(source.get(next.kind, next.id));
        for (const Entry& entry : node.entries()) add_entry(entry);
        for (const auto& child : node.children()) add(ChunkKind::tree, child.node());
      } else {
        const auto node = decode_extent_node(source.get(next.kind, next.id));
        for (const auto& child : node.children()) add(ChunkKind::extents, child.node());
        need(node.extents());
      }
    }
  }

 private:
  void add(ChunkKind kind, const std::string& raw_id) {
    if (raw_id.empty()) return;
    const ChunkId id = ChunkId::from_bytes(raw_id);
    // A blob refers to nothing.
    if (enter_(kind, id) && kind != ChunkKind::blob) waiting_.push_back({kind, id});
  }

  template <class Extents>
  void need(const Extents& extents) {
    if (!need_) return;
    for (const auto& extent : extents) {
      if (!extent.chunk().empty()) need_(ChunkId::from_bytes(extent.chunk()));
    }
  }

  const std::function<bool(ChunkKind, const ChunkId&)>& enter_;
  const std::function<void(const ChunkId&)>& need_;
  std::vector<Reference> waiting_;
};

}  // namespace

void for_each_metadata_chunk(ChunkSource& source, const Entry& root,
                             const std::function<bool(ChunkKind, const ChunkId&)>& enter) {
  for_each_chunk(source, root, enter, nullptr);
}

void for_each_chunk(ChunkSource& source, const Entry& root,
                    const std::function<bool(ChunkKind, const ChunkId&)>& enter,
                    const std::function<void(const ChunkId&)>& need) {
  NodeWalk walk{enter, need};
  walk.add_entry(root);
  walk.run(source);
}

}  // namespace vgerfs::repo
