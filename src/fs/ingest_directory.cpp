#include "fs/ingest_directory.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>

#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

constexpr std::size_t kPortion = 512;

}  // namespace

bool DirectoryCursor::fetch() {
  while (!at_end_) {
    const std::string last = names_.empty() ? std::string{} : names_.back();
    std::optional<ChunkId> base;
    std::string source_name;
    std::uint64_t number = 0;
    {
      const std::lock_guard lock{context_.tree.mutex};
      if (directory_->source == nullptr) throw FsError{ESTALE};
      base = directory_->directory->base;
      number = directory_->number;
      source_name = directory_->source->name;
      if (!reader_ || generation_ != directory_->directory->generation) {
        generation_ = directory_->directory->generation;
        trees_ = directory_->source->trees;
        reader_ = std::make_unique<repo::DirectoryReader>(*trees_, base);
        if (!last.empty()) reader_->seek_after(last);
      }
    }
    portion_.clear();
    while (portion_.size() < kPortion) {
      const repo::Entry* entry = reader_->next();
      if (entry == nullptr) {
        at_end_ = true;
        break;
      }
      portion_.push_back({entry->name(), number_of_base_entry(number, source_name, *entry),
                          repo::file_type_bits(entry->type())});
    }
    // Names up to the portion's last one, from both sides.
    const std::lock_guard lock{context_.tree.mutex};
    const auto& children = directory_->directory->children;
    const std::size_t before = names_.size();
    auto overlay = children.upper_bound(last);
    const auto overlay_end = at_end_ ? children.end() : children.upper_bound(portion_.back().name);
    auto from_base = portion_.begin();
    while (overlay != overlay_end || from_base != portion_.end()) {
      if (overlay == overlay_end ||
          (from_base != portion_.end() && from_base->name < overlay->first)) {
        names_.push_back((from_base++)->name);
        continue;
      }
      if (from_base != portion_.end() && from_base->name == overlay->first) ++from_base;
      if (overlay->second.inode) names_.push_back(overlay->first);
      ++overlay;
    }
    if (names_.size() != before) return true;
  }
  return false;
}

bool DirectoryCursor::offer(std::size_t index, bool with_attributes, const DirectorySink& sink) {
  const std::string& name = names_[index];
  DirectoryItem item;
  item.name = name;
  item.next_cookie = kFirstCookie + index + 1;
  IngestTree& tree = context_.tree;
  std::unique_lock lock{tree.mutex};
  if (directory_->source == nullptr) throw FsError{ESTALE};
  if (!with_attributes) {
    const auto& children = directory_->directory->children;
    const auto child = children.find(name);
    if (child != children.end()) {
      if (!child->second.inode) return true;
      item.attributes = attributes_of(*child->second.inode);
    } else {
      const auto known = std::lower_bound(
          portion_.begin(), portion_.end(), name,
          [](const BaseName& each, const std::string& wanted) { return each.name < wanted; });
      if (known == portion_.end() || known->name != name) {
        // Reading went back: the entry is looked up.
        const InodePtr inode = tree.resolve(lock, directory_, name).inode;
        if (!inode) return true;
        item.attributes = attributes_of(*inode);
        tree.drop_unused(*inode);
      } else {
        item.attributes.inode = known->number;
        item.attributes.mode = known->mode;
      }
    }
    lock.unlock();
    return sink(item);
  }
  const InodePtr inode = tree.resolve(lock, directory_, name).inode;
  if (!inode) return true;
  item.attributes = attributes_of(*inode);
  item.node = inode->node;
  tree.reference(inode);
  lock.unlock();
  if (sink(item)) return true;
  lock.lock();
  tree.forget(item.node, 1);
  return false;
}

void DirectoryCursor::read(std::uint64_t cookie, bool with_attributes, const DirectorySink& sink) {
  const std::lock_guard lock{mutex_};
  if (cookie == 0) {
    // rewinddir(3): names that came meanwhile show.
    names_.clear();
    portion_.clear();
    reader_.reset();
    at_end_ = false;
  }
  std::uint64_t number = 0;
  std::uint64_t parent = 0;
  {
    const std::lock_guard tree_lock{context_.tree.mutex};
    number = directory_->number;
    parent = directory_->links.empty() ? number : directory_->links.front().parent->number;
  }
  if (!offer_dots(number, parent, cookie, sink)) return;
  std::size_t index = cookie <= kFirstCookie ? 0 : static_cast<std::size_t>(cookie - kFirstCookie);
  for (;; ++index) {
    if (index > names_.size() || (index == names_.size() && !fetch())) return;
    if (!offer(index, with_attributes, sink)) return;
  }
}

}  // namespace vgerfs::fs
