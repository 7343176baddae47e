#include "fs/ingest_move.h"

#include <sys/stat.h>

#include <cerrno>
#include <string>
#include <utility>

#include "base/error.h"
#include "repo/node_walk.h"
#include "repo/tree_walk.h"

namespace vgerfs::fs {

CrossSourceMove::CrossSourceMove(IngestContext& context, IngestSource& from, IngestSource& to)
    : context_(context), from_(from), to_(to) {
  VGERFS_CHECK(&from != &to);
  IngestSource& first = from.name < to.name ? from : to;
  IngestSource& second = from.name < to.name ? to : from;
  first_ = std::make_unique<GateClosed>(first.gate);
  second_ = std::make_unique<GateClosed>(second.gate);
  from_.begin_session();
  to_.begin_session();
}

CrossSourceMove::~CrossSourceMove() {
  const std::lock_guard lock{context_.tree.mutex};
  for (const InodePtr& inode : held_) context_.tree.forget(inode->node, 1);
}

void CrossSourceMove::gather(const InodePtr& inode) {
  moved_.clear();
  is_moved_.clear();
  moved_.push_back(inode);
  is_moved_.insert(inode.get());
  for (std::size_t i = 0; i < moved_.size(); ++i) {
    if (!moved_[i]->is_directory()) continue;
    for (const auto& [name, child] : moved_[i]->directory->children) {
      if (child.inode && is_moved_.insert(child.inode.get()).second) moved_.push_back(child.inode);
    }
  }
}

/// Counts what the base has below a directory that nothing lies over, and looks up its hard links:
/// their groups mean something in their own source only.
void CrossSourceMove::visit_base(const InodePtr& directory) {
  std::optional<ChunkId> base;
  {
    const std::lock_guard lock{context_.tree.mutex};
    base = directory->directory->base;
  }
  std::vector<std::string> linked;
  std::unordered_set<std::uint64_t> groups;
  const auto count = [&](const std::string& path, const repo::Entry& entry) {
    ++totals_.count_of(repo::file_type_bits(entry.type()));
    if (entry.link_group() != 0) {
      linked.push_back(path);
      if (!groups.insert(entry.link_group()).second) return;
    }
    totals_.bytes += static_cast<std::int64_t>(entry.size());
  };
  repo::DirectoryReader reader{*from_.trees, base};
  while (const repo::Entry* entry = reader.next()) {
    {
      const std::lock_guard lock{context_.tree.mutex};
      if (directory->directory->children.contains(entry->name())) continue;
    }
    count(entry->name(), *entry);
    if (entry->type() != repo::EntryType::ENTRY_DIRECTORY) continue;
    repo::for_each_entry(*from_.trees, *entry, entry->name(),
                         [&](const std::string& path, const repo::Entry& below) {
                           count(path, below);
                           return repo::WalkStep::go_on;
                         });
  }
  for (std::string_view path : linked) {
    std::unique_lock lock{context_.tree.mutex};
    InodePtr at = directory;
    while (at && !path.empty()) {
      const std::size_t slash = path.find('/');
      at = context_.tree.resolve(lock, at, path.substr(0, slash)).inode;
      path = slash == path.npos ? std::string_view{} : path.substr(slash + 1);
    }
    if (!at) continue;
    // Nobody may let go of it before it has its place in the other source.
    context_.tree.reference(at);
    held_.push_back(at);
  }
}

void CrossSourceMove::check_links() const {
  for (const InodePtr& inode : moved_) {
    if (inode->is_directory()) continue;
    std::size_t inside = 0;
    for (const Link& link : inode->links) {
      if (inode == moved_.front() || is_moved_.contains(link.parent)) ++inside;
    }
    const std::size_t allowed = inode == moved_.front() ? 1 : inside;
    if (inode->link_count > allowed || inode->links.size() > allowed) throw FsError{EXDEV};
  }
}

void CrossSourceMove::copy_metadata() {
  if (context_.repository.can_read()) return;  // both read the repository
  const auto sink = to_.memory.sink(*to_.session);
  std::unordered_set<ChunkId> seen;
  for (const InodePtr& inode : moved_) {
    // An entry that refers to all that the inode has of the base.
    repo::Entry entry;
    {
      const std::lock_guard lock{context_.tree.mutex};
      fill_entry(entry, *inode);
      const auto& stored = inode->content ? inode->content->stored() : inode->stored;
      if (stored) fill_content(entry, *stored);
      if (inode->is_directory() && inode->directory->base)
        entry.set_subtree(inode->directory->base->raw());
    }
    const auto copy = [&](repo::ChunkKind kind, const ChunkId& id) {
      if (!seen.insert(id).second) return false;
      sink->put(kind, from_.trees->get(kind, id));
      return true;
    };
    for (const auto& xattr : entry.xattrs()) {
      if (!xattr.value_chunk().empty())
        copy(repo::ChunkKind::blob, ChunkId::from_bytes(xattr.value_chunk()));
    }
    if (entry.type() == repo::EntryType::ENTRY_DIRECTORY) {
      repo::for_each_metadata_chunk(*from_.trees, entry, copy);
    } else if (!entry.extents_root().empty()) {
      repo::for_each_metadata_chunk(*from_.trees, entry, copy);
    }
  }
  // Before a journal refers to them.
  to_.memory.flush();
}

void CrossSourceMove::change_epochs() {
  for (const InodePtr& inode : moved_) {
    std::shared_ptr<FileContent> content;
    {
      const std::lock_guard lock{context_.tree.mutex};
      content = inode->content;
      if (!content && inode->stored && inode->stored->epoch == from_.epoch) {
        auto stored = std::make_shared<StoredContent>(*inode->stored);
        stored->epoch = to_.epoch;
        inode->stored = std::move(stored);
      }
    }
    if (!content) continue;
    const std::lock_guard lock{content->mutex()};
    content->change_epoch(from_.epoch, to_.epoch);
    content->forget_journal();
  }
}

void CrossSourceMove::prepare(const InodePtr& inode) {
  totals_ = {};
  {
    const std::lock_guard lock{context_.tree.mutex};
    gather(inode);
  }
  for (const InodePtr& each : std::vector<InodePtr>{moved_}) {
    if (each->is_directory()) visit_base(each);
  }
  // Again: with the hard links that were looked up.
  std::unordered_set<Inode*> before = std::move(is_moved_);
  {
    const std::lock_guard lock{context_.tree.mutex};
    gather(inode);
    check_links();
    for (const InodePtr& each : moved_) {
      // Those looked up just now are counted already.
      if (!before.contains(each.get())) continue;
      totals_.count_of(each->mode) +=
          each == inode ? 1
                        : static_cast<std::int64_t>(std::max<std::size_t>(each->links.size(), 1));
      if (each->is_file()) totals_.bytes += static_cast<std::int64_t>(each->bytes);
    }
  }
  copy_metadata();
  // The other session may publish what this one put: it has to be in the index by then.
  from_.session->checkpoint();
  change_epochs();
}

void CrossSourceMove::move(const InodePtr& inode, Inode& from, std::string_view name, Inode& to,
                           std::string_view new_name, bool in_base) {
  IngestTree& tree = context_.tree;
  // Once more: lookups, which wait for nobody, may have made clean inodes of the base meanwhile.
  gather(inode);
  tree.unlink(from, name);
  for (const InodePtr& each : moved_) {
    from_.forget_link_group(*each);
    from_.changed_groups.erase(each->link_group);
    const bool linked = std::exchange(each->link_group, 0) != 0;
    each->source = &to_;
    each->journal_number = 0;
    each->journal_pending = false;
    each->journal_content = true;
    from_.open_handles -= each->handles;
    to_.open_handles += each->handles;
    if (const auto found = from_.written.find(each.get()); found != from_.written.end()) {
      to_.written.insert(*found);
      from_.written.erase(found);
    }
    if (linked) tree.mark_dirty(*each);
    if (each->changed()) tree.mark_unjournaled(*each);
    if (!each->is_directory()) continue;
    auto& overlay = *each->directory;
    overlay.unjournaled.clear();
    for (const auto& [child_name, child] : overlay.children) {
      if (!child.inode || child.inode->changed() || child.inode->link_group != 0)
        overlay.unjournaled.push_back(child_name);
    }
  }
  tree.link(to, new_name, inode, in_base);
  const auto add = [&](TotalsChange& totals, std::int64_t sign) {
    totals.files += sign * totals_.files;
    totals.directories += sign * totals_.directories;
    totals.others += sign * totals_.others;
    totals.bytes += sign * totals_.bytes;
  };
  add(from_.totals, -1);
  add(to_.totals, 1);
  from_.flushed.notify_all();
}

void CrossSourceMove::finish() {
  if (!repo::Journal::exists(from_.journal.path())) return;
  // In this order: between the two the file is in both.
  to_.journal.sync();
  from_.journal.sync();
}

}  // namespace vgerfs::fs
