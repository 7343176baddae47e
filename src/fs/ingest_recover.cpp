#include "fs/ingest_recover.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "fs/ingest_links.h"
#include "fs/ingest_resume.h"
#include "fs/ingest_source.h"
#include "repo/journal.h"

namespace vgerfs::fs {
namespace {

/// The chunks that a file got in this session, and, where nobody knows when it got them, all.
std::vector<ChunkId> received_chunks(const InodePtr& inode, IngestContext& context, bool resumed) {
  std::shared_ptr<FileContent> content;
  std::shared_ptr<const StoredContent> stored;
  {
    const std::lock_guard lock{context.tree.mutex};
    content = inode->content;
    stored = inode->stored;
  }
  std::vector<ChunkId> out;
  if (content) {
    const std::lock_guard lock{content->mutex()};
    for (const ContentPiece& piece : content->pieces(0, content->bytes())) {
      if (piece.segment.kind == SegmentKind::chunk && !piece.in_memory)
        out.push_back(piece.segment.chunk);
    }
    stored = content->stored();
  }
  if (stored && (resumed || stored->epoch != 0)) {
    for (const repo::Extent& extent : stored->extents) {
      if (extent.chunk) out.push_back(*extent.chunk);
    }
  }
  return out;
}

}  // namespace

std::vector<InodePtr> changed_files(IngestSource& source) {
  const std::lock_guard lock{source.context.tree.mutex};
  std::vector<InodePtr> files;
  std::unordered_set<Inode*> seen;
  std::vector<InodePtr> left;
  if (source.root) left.push_back(source.root);
  while (!left.empty()) {
    const InodePtr directory = std::move(left.back());
    left.pop_back();
    for (const auto& [name, child] : directory->directory->children) {
      if (!child.inode || !child.inode->changed()) continue;
      if (child.inode->is_directory()) left.push_back(child.inode);
      if (child.inode->is_file() && seen.insert(child.inode.get()).second)
        files.push_back(child.inode);
    }
  }
  return files;
}

std::string path_of(const Inode& inode) {
  std::string path;
  for (const Inode* at = &inode; !at->links.empty(); at = at->links.front().parent) {
    path = path.empty() ? *at->links.front().name : *at->links.front().name + "/" + path;
  }
  // For a line of a log, whatever is in the names.
  std::replace_if(
      path.begin(), path.end(), [](unsigned char byte) { return byte < 0x20 || byte == 0x7F; },
      '?');
  return path;
}

std::vector<std::string> drop_lost_files(IngestSource& source,
                                         const std::unordered_set<ChunkId>& restored,
                                         bool resumed) {
  IngestContext& context = source.context;
  find_changed_links(source);
  std::vector<std::string> lost;
  for (const InodePtr& file : changed_files(source)) {
    bool whole = true;
    for (const ChunkId& id : received_chunks(file, context, resumed)) {
      whole = whole && (restored.contains(id) || source.session->rely_on(id));
    }
    if (whole) continue;
    const std::lock_guard lock{context.tree.mutex};
    lost.push_back(path_of(*file));
    for (const Link& link : std::vector<Link>{file->links}) {
      Inode& parent = *link.parent;
      const std::string name = *link.name;
      context.invalidate(parent.node, name);
      context.tree.revert(parent, name);
      --source.totals.files;
    }
    source.totals.bytes -= static_cast<std::int64_t>(file->bytes);
    source.changed_groups.erase(file->link_group);
    source.forget_link_group(*file);
    context.tree.detach(file);
  }
  for (const std::string& path : lost) {
    log::error("{}: {} was not stored; send it again", source.name, path);
  }
  return lost;
}

std::vector<std::string> recover_session(IngestSource& source) {
  source.replace_session();
  std::unordered_set<ChunkId> restored;
  if (repo::Journal::exists(source.journal.path())) restored = restore_blocks(source);
  return drop_lost_files(source, restored, false);
}

}  // namespace vgerfs::fs
