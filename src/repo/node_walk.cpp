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
  explicit NodeWalk(const std::function<bool(ChunkKind, const ChunkId&)>& enter) : enter_(enter) {}

  void add_entry(const Entry& entry) {
    add(ChunkKind::tree, entry.subtree());
    add(ChunkKind::extents, entry.extents_root());
    for (const auto& xattr : entry.xattrs()) add(ChunkKind::blob, xattr.value_chunk());
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

  const std::function<bool(ChunkKind, const ChunkId&)>& enter_;
  std::vector<Reference> waiting_;
};

}  // namespace

void for_each_metadata_chunk(ChunkSource& source, const Entry& root,
                             const std::function<bool(ChunkKind, const ChunkId&)>& enter) {
  NodeWalk walk{enter};
  walk.add_entry(root);
  walk.run(source);
}

}  // namespace vgerfs::repo
