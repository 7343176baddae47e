#include "fs/ingest_changes.h"

#include <algorithm>
#include <utility>

#include "fs/ingest_source.h"

namespace vgerfs::fs {
namespace {

class ChangesTaker {
 public:
  ChangesTaker(IngestSource& source, bool whole, std::uint64_t& next_number)
      : source_(source), whole_(whole), next_number_(next_number) {}

  /// Once.
  SourceChanges run() {
    const std::lock_guard lock{source_.context.tree.mutex};
    std::vector<InodePtr> changed = std::exchange(source_.changed, {});
    for (const InodePtr& inode : changed) inode->journal_pending = false;
    if (whole_) {
      if (source_.root) gather_all(source_.root);
      for (const InodePtr& inode : changed_) {
        inode->journal_number = 0;
        inode->journal_pending = false;
      }
    } else {
      // Not those that moved to another source or lost their last name; a hard link's other names
      // may lie in the base.
      std::erase_if(changed, [&](const InodePtr& inode) {
        return inode->source != &source_ || (inode->links.empty() && inode != source_.root &&
                                             !source_.changed_groups.contains(inode->link_group));
      });
      changed_ = std::move(changed);
    }
    for (const InodePtr& inode : changed_) {
      number(*inode);
      if (inode->is_directory()) take_links(*inode);
      result_.inodes.push_back({inode, inode->content, inode->stored});
    }
    result_.totals.set_files(source_.totals.files);
    result_.totals.set_directories(source_.totals.directories);
    result_.totals.set_others(source_.totals.others);
    result_.totals.set_bytes(source_.totals.bytes);
    result_.totals.set_files_changed(source_.files_changed);
    result_.totals.set_bytes_received(source_.bytes_received);
    if (whole_) write_header(result_.header.emplace());
    return std::move(result_);
  }

 private:
  void number(Inode& inode) {
    if (inode.journal_number == 0) inode.journal_number = next_number_++;
  }

  void take_links(Inode& directory) {
    auto& overlay = *directory.directory;
    const auto say = [&](const std::string& name) {
      ChangedLink link{.directory = directory.journal_number, .name = name};
      if (const auto child = overlay.children.find(name); child != overlay.children.end()) {
        const InodePtr& inode = child->second.inode;
        link.gone = inode == nullptr;
        link.in_base = child->second.in_base;
        if (inode && inode->changed()) {
          number(*inode);
          link.node = inode->journal_number;
        }
      }
      result_.links.push_back(std::move(link));
    };
    if (whole_) {
      for (const auto& [name, child] : overlay.children) {
        if (!child.inode || child.inode->changed()) say(name);
      }
      overlay.unjournaled.clear();
      return;
    }
    std::vector<std::string> names = std::exchange(overlay.unjournaled, {});
    std::sort(names.begin(), names.end());
    names.erase(std::unique(names.begin(), names.end()), names.end());
    for (const std::string& name : names) say(name);
  }

  void gather_all(const InodePtr& root) {
    changed_.push_back(root);
    for (const auto& [group, inode] : source_.changed_groups) {
      if (!inode->links.empty()) continue;
      // Its known names are gone; others lie in the base.
      inode->journal_pending = true;
      changed_.push_back(inode);
    }
    for (std::size_t i = 0; i < changed_.size(); ++i) {
      Inode& inode = *changed_[i];
      inode.journal_pending = true;  // marks those that are on the list
      if (!inode.is_directory()) continue;
      for (const auto& [name, child] : inode.directory->children) {
        if (child.inode && child.inode->changed() && !child.inode->journal_pending) {
          child.inode->journal_pending = true;
          changed_.push_back(child.inode);
        }
      }
    }
  }

  void write_header(proto::JournalHeader& header) const {
    header.set_root(source_.root ? source_.root->journal_number : 0);
    if (!source_.base) return;
    header.set_base_snapshot(source_.base->id.raw());
    header.set_base_time_s(source_.base->time.s);
    header.set_base_time_ns(source_.base->time.ns);
    *header.mutable_base_root() = source_.base->root;
  }

  IngestSource& source_;
  const bool whole_;
  std::uint64_t& next_number_;
  std::vector<InodePtr> changed_;
  SourceChanges result_;
};

}  // namespace

SourceChanges take_changes(IngestSource& source, bool whole, std::uint64_t& next_number) {
  return ChangesTaker{source, whole, next_number}.run();
}

}  // namespace vgerfs::fs
