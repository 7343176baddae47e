#include "fs/ingest_tree.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <utility>
#include <vector>

#include "base/error.h"
#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

/// In st_ino of inodes made by requests: those of the base are hashes with another bit.
constexpr std::uint64_t kNewNumber = std::uint64_t{1} << 61U;

}  // namespace

InodePtr IngestTree::find(NodeId node) const {
  const auto found = nodes_.find(node);
  if (found == nodes_.end() || found->second->source == nullptr) throw FsError{ESTALE};
  return found->second;
}

InodePtr IngestTree::find_directory(NodeId node) const {
  InodePtr inode = find(node);
  if (!inode->is_directory()) throw FsError{ENOTDIR};
  return inode;
}

void IngestTree::adopt(const InodePtr& inode, IngestSource& source) {
  const std::uint64_t number = next_number_++;
  inode->node = node_in(View::ingest, number);
  if (inode->number == 0) inode->number = kNewNumber | number;
  inode->source = &source;
}

void IngestTree::reference(const InodePtr& inode) {
  ++inode->lookups;
  nodes_.try_emplace(inode->node, inode);
}

void IngestTree::forget(NodeId node, std::uint64_t count) noexcept {
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) return;
  const InodePtr inode = found->second;
  inode->lookups -= std::min(inode->lookups, count);
  drop_unused(*inode);
}

void IngestTree::drop_unused(Inode& start) noexcept {
  std::vector<InodePtr> left{start.shared_from_this()};
  while (!left.empty()) {
    const InodePtr inode = std::move(left.back());
    left.pop_back();
    if (inode->lookups != 0 || inode->handles != 0) continue;
    nodes_.erase(inode->node);
    // Dirty inodes stay under their names until the commit; a source keeps its root.
    if (inode->source == nullptr || inode->changed() || inode->links.empty()) continue;
    if (inode->is_directory() && !inode->directory->children.empty()) continue;
    for (const Link& link : std::exchange(inode->links, {})) {
      auto& children = link.parent->directory->children;
      children.erase(children.find(*link.name));
      left.push_back(link.parent->shared_from_this());
    }
    inode->source->forget_link_group(*inode);
    inode->source = nullptr;
  }
}

IngestTree::Found IngestTree::resolve(std::unique_lock<std::mutex>& lock, const InodePtr& directory,
                                      std::string_view name) {
  for (;;) {
    if (directory->source == nullptr) throw FsError{ESTALE};
    const auto& children = directory->directory->children;
    if (const auto found = children.find(name); found != children.end()) {
      return {found->second.inode, found->second.in_base};
    }
    const auto base = directory->directory->base;
    if (!base) return {};
    const std::uint64_t generation = directory->directory->generation;
    const auto trees = directory->source->trees;
    std::optional<repo::Entry> entry;
    lock.unlock();
    try {
      entry = base_.find(*trees, base, name);
    } catch (...) {
      lock.lock();
      // A commit may have taken the old trees away meanwhile.
      if (directory->directory->generation != generation) continue;
      throw;
    }
    lock.lock();
    // What was read counts only if nothing changed meanwhile.
    if (directory->source == nullptr || directory->directory->generation != generation ||
        children.contains(name)) {
      continue;
    }
    if (!entry) return {};
    return {attach(directory, *entry), true};
  }
}

InodePtr IngestTree::attach(const InodePtr& directory, const repo::Entry& entry) {
  IngestSource& source = *directory->source;
  InodePtr inode = entry.link_group() != 0 ? source.find_link_group(entry.link_group()) : nullptr;
  if (!inode) {
    inode = inode_of_entry(entry, names);
    inode->number = number_of_base_entry(directory->number, source.name, entry);
    inode->journal_content = true;
    adopt(inode, source);
    if (inode->link_group != 0) source.remember_link_group(inode);
  }
  const auto [child, added] =
      directory->directory->children.emplace(entry.name(), Child{inode, true});
  VGERFS_CHECK(added);
  inode->links.push_back({directory.get(), &child->first});
  if (inode->changed()) {
    // Another name of a hard-linked inode that was changed under a name known before.
    directory->directory->unjournaled.push_back(entry.name());
    mark_unjournaled(*directory);
    mark_below(directory.get());
  }
  return inode;
}

void IngestTree::link(Inode& directory, std::string_view name, const InodePtr& inode,
                      bool in_base) {
  auto& children = directory.directory->children;
  auto at = children.find(name);
  if (at == children.end()) at = children.emplace(std::string{name}, Child{}).first;
  VGERFS_CHECK(!at->second.inode);
  at->second = {inode, in_base};
  inode->links.push_back({&directory, &at->first});
  directory.directory->unjournaled.emplace_back(name);
  mark_unjournaled(directory);
  mark_below(&directory);
  mark_dirty(*inode);
}

void IngestTree::unlink(Inode& directory, std::string_view name) {
  auto& children = directory.directory->children;
  const auto at = children.find(name);
  VGERFS_CHECK(at != children.end() && at->second.inode);
  std::erase_if(at->second.inode->links, [&](const Link& link) {
    return link.parent == &directory && link.name == &at->first;
  });
  directory.directory->unjournaled.emplace_back(name);
  if (at->second.in_base) {
    at->second.inode = nullptr;
  } else {
    children.erase(at);
  }
  mark_unjournaled(directory);
  mark_below(&directory);
}

void IngestTree::revert(Inode& directory, std::string_view name) {
  auto& children = directory.directory->children;
  const auto at = children.find(name);
  if (at == children.end()) return;
  if (at->second.inode) unlink(directory, name);
  if (const auto whiteout = children.find(name); whiteout != children.end())
    children.erase(whiteout);
  directory.directory->unjournaled.emplace_back(name);
  mark_unjournaled(directory);
}

void IngestTree::mark_unjournaled(Inode& inode) {
  if (inode.journal_pending) return;
  inode.journal_pending = true;
  inode.source->changed.push_back(inode.shared_from_this());
}

void IngestTree::mark_dirty(Inode& inode) {
  mark_unjournaled(inode);
  if (inode.link_group != 0)
    inode.source->changed_groups[inode.link_group] = inode.shared_from_this();
  if (inode.dirty) return;
  inode.dirty = true;
  for (const Link& link : inode.links) {
    link.parent->directory->unjournaled.push_back(*link.name);
    mark_unjournaled(*link.parent);
    mark_below(link.parent);
  }
}

void IngestTree::mark_below(Inode* directory) {
  while (directory != nullptr && !directory->dirty_below) {
    directory->dirty_below = true;
    mark_unjournaled(*directory);
    if (directory->links.empty()) return;
    const Link& link = directory->links.front();
    link.parent->directory->unjournaled.push_back(*link.name);
    mark_unjournaled(*link.parent);
    directory = link.parent;
  }
}

void IngestTree::replace(const InodePtr& old_root, const InodePtr& new_root) noexcept {
  nodes_.erase(new_root->node);
  new_root->node = std::exchange(old_root->node, 0);
  new_root->number = old_root->number;
  new_root->lookups += std::exchange(old_root->lookups, 0);
  if (const auto found = nodes_.find(new_root->node); found != nodes_.end())
    found->second = new_root;
  detach(old_root);
}

void IngestTree::detach(const InodePtr& start) noexcept {
  if (start->source == nullptr) return;
  IngestSource& source = *start->source;
  std::vector<InodePtr> left{start};
  while (!left.empty()) {
    const InodePtr inode = std::move(left.back());
    left.pop_back();
    if (inode->source == nullptr) continue;
    // Its handles find no source any more that they could give this back to.
    source.open_handles -= inode->handles;
    source.written.erase(inode.get());
    inode->source = nullptr;
    inode->links.clear();
    inode->dirty = inode->dirty_below = false;
    if (inode->lookups == 0 && inode->handles == 0) nodes_.erase(inode->node);
    if (!inode->is_directory()) continue;
    for (auto& [name, child] : inode->directory->children) {
      if (child.inode) left.push_back(std::move(child.inode));
    }
    inode->directory->children.clear();
  }
  source.flushed.notify_all();
}

std::size_t IngestTree::depth_of(const Inode& directory) noexcept {
  std::size_t depth = 1;
  for (const Inode* at = &directory; !at->links.empty(); at = at->links.front().parent) ++depth;
  return depth;
}

}  // namespace vgerfs::fs
