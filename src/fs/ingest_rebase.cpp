#include "fs/ingest_rebase.h"

#include <string>
#include <utility>
#include <vector>

#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

struct Directories {
  InodePtr inode;
  repo::Entry entry;  // in the new snapshot
};

/// The directory is what the entry says from now on; returns the directories in it that somebody
/// holds. Tree's mutex held.
std::vector<std::pair<std::string, InodePtr>> adapt(IngestSource& source, Inode& directory,
                                                    const repo::Entry& entry) {
  IngestTree& tree = source.context.tree;
  const InodePtr now = inode_of_entry(entry, tree.names);
  directory.mode = now->mode;
  directory.uid = now->uid;
  directory.gid = now->gid;
  directory.user = now->user;
  directory.group = now->group;
  directory.mtime = now->mtime;
  directory.ctime = now->ctime;
  directory.xattrs = std::move(now->xattrs);
  directory.directory->base = now->directory->base;
  ++directory.directory->generation;
  std::vector<std::pair<std::string, InodePtr>> kept;
  std::vector<InodePtr> dropped;
  auto& children = directory.directory->children;
  for (auto at = children.begin(); at != children.end();) {
    const InodePtr child = at->second.inode;
    source.context.invalidate(directory.node, at->first);
    if (child && child->is_directory()) {
      kept.emplace_back(at->first, child);
      ++at;
      continue;
    }
    if (child) dropped.push_back(child);
    at = children.erase(at);
  }
  for (const InodePtr& inode : dropped) {
    // A hard link may lie in other directories as well: there it goes with them.
    if (inode->source != nullptr) {
      for (const Link& link : std::exchange(inode->links, {})) {
        if (link.parent != &directory) link.parent->directory->children.erase(*link.name);
      }
      tree.detach(inode);
    }
  }
  return kept;
}

}  // namespace

void rebase_source(IngestSource& source, const repo::LastSnapshot& snapshot) {
  IngestTree& tree = source.context.tree;
  std::vector<Directories> left;
  {
    const std::lock_guard lock{tree.mutex};
    source.base = snapshot;
    source.link_groups.clear();
    left.push_back({source.root, snapshot.root});
  }
  source.context.invalidate(kIngestRoot, source.name);
  while (!left.empty()) {
    const Directories next = std::move(left.back());
    left.pop_back();
    std::vector<std::pair<std::string, InodePtr>> below;
    {
      const std::lock_guard lock{tree.mutex};
      below = adapt(source, *next.inode, next.entry);
    }
    const auto subtree = repo::subtree_of(next.entry);
    for (const auto& [name, inode] : below) {
      auto entry = repo::find_entry(*source.trees, subtree, name);
      if (entry && entry->type() == repo::EntryType::ENTRY_DIRECTORY) {
        left.push_back({inode, std::move(*entry)});
        continue;
      }
      const std::lock_guard lock{tree.mutex};
      if (inode->source == nullptr) continue;  // let go of meanwhile
      next.inode->directory->children.erase(name);
      tree.detach(inode);
    }
  }
}

}  // namespace vgerfs::fs
