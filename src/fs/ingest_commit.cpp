#include "fs/ingest_commit.h"

#include <cerrno>
#include <chrono>
#include <optional>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_links.h"
#include "fs/ingest_recover.h"
#include "fs/ingest_source.h"
#include "fs/ingest_tree_builder.h"
#include "repo/tree_walk.h"

namespace vgerfs::fs {
namespace {

constexpr std::chrono::seconds kFlushWait{2};
constexpr std::int64_t kDay_s = 24 * 60 * 60;

format::proto::Statistics count_tree(repo::ChunkSource& trees, const repo::Entry& root) {
  format::proto::Statistics out;
  std::unordered_set<std::uint64_t> groups;
  repo::for_each_entry(trees, root, "", [&](const std::string&, const repo::Entry& entry) {
    if (entry.type() == repo::EntryType::ENTRY_DIRECTORY) {
      out.set_directories(out.directories() + 1);
    } else if (entry.type() != repo::EntryType::ENTRY_FILE) {
      out.set_others(out.others() + 1);
    } else {
      out.set_files(out.files() + 1);
      if (entry.link_group() == 0 || groups.insert(entry.link_group()).second) {
        out.set_logical_bytes(out.logical_bytes() + entry.size());
      }
    }
    return repo::WalkStep::go_on;
  });
  return out;
}

class Commit {
 public:
  Commit(IngestSource& source, std::string_view trigger)
      : source_(source), context_(source.context), trigger_(trigger) {}

  /// Waits until no named file is in the middle of being written, and has the source alone then.
  void wait_for_writers();
  CommitReport run();

 private:
  void seal_files();
  format::proto::Statistics statistics(const std::optional<repo::LastSnapshot>& base) const;
  std::optional<repo::ListedSnapshot> listed(const SnapshotId& id) const;
  CommitReport report_last(const repo::LastSnapshot& last) const;
  /// The snapshot is the new base; the overlay is clean.
  void settle(const BuiltTree& built, const repo::LastSnapshot& base);
  void settle_inode(Inode& inode);

  IngestSource& source_;
  IngestContext& context_;
  const std::string trigger_;
  std::optional<GateClosed> closed_;
};

void Commit::wait_for_writers() {
  const auto deadline = std::chrono::steady_clock::now() + kFlushWait;
  for (;;) {
    {
      std::unique_lock lock{context_.tree.mutex};
      if (!source_.flushed.wait_until(lock, deadline, [&] { return !source_.is_being_written(); }))
        throw FsError{EBUSY};
    }
    closed_.emplace(source_.gate);
    {
      const std::lock_guard lock{context_.tree.mutex};
      if (!source_.is_being_written()) return;
    }
    closed_.reset();
  }
}

void Commit::seal_files() {
  SessionPort port{source_};
  for (const InodePtr& file : changed_files(source_)) {
    std::shared_ptr<FileContent> content;
    {
      const std::lock_guard lock{context_.tree.mutex};
      content = file->content;
    }
    if (!content) continue;
    {
      const std::lock_guard lock{content->mutex()};
      content->seal(port);
      content->failure = nullptr;
    }
    context_.runs.note(file, 0);
  }
}

std::optional<repo::ListedSnapshot> Commit::listed(const SnapshotId& id) const {
  const auto list = context_.repository.snapshots();
  for (const repo::ListedSnapshot& each : list->snapshots) {
    if (each.snapshot->id == id) return each;
  }
  return std::nullopt;
}

format::proto::Statistics Commit::statistics(const std::optional<repo::LastSnapshot>& base) const {
  format::proto::Statistics out;
  if (base) {
    const auto known = listed(base->id);
    out = known ? known->snapshot->statistics : count_tree(*source_.trees, base->root);
  }
  const std::lock_guard lock{context_.tree.mutex};
  const auto changed = [](std::uint64_t before, std::int64_t by) {
    // A base that was counted by other rules must not make a number of no meaning.
    const auto now = static_cast<std::int64_t>(before) + by;
    return static_cast<std::uint64_t>(std::max<std::int64_t>(now, 0));
  };
  format::proto::Statistics now;
  now.set_files(changed(out.files(), source_.totals.files));
  now.set_directories(changed(out.directories(), source_.totals.directories));
  now.set_others(changed(out.others(), source_.totals.others));
  now.set_logical_bytes(changed(out.logical_bytes(), source_.totals.bytes));
  now.set_files_changed(source_.files_changed);
  return now;
}

CommitReport Commit::report_last(const repo::LastSnapshot& last) const {
  const auto known = listed(last.id);
  return {.changed = false,
          .snapshot = last.id.hex(),
          .time_name = known ? known->time_name : snapshot_time_name(last.time)};
}

void Commit::settle_inode(Inode& inode) {
  inode.dirty = inode.dirty_below = inode.content_changed = false;
  inode.journal_number = 0;
  inode.journal_pending = false;
  inode.journal_content = true;
  if (inode.link_count <= 1) inode.link_group = 0;
  if (inode.link_group != 0) source_.remember_link_group(inode.shared_from_this());
}

void Commit::settle(const BuiltTree& built, const repo::LastSnapshot& base) {
  for (const auto& [inode, stored] : built.contents) {
    std::shared_ptr<FileContent> content;
    {
      const std::lock_guard lock{context_.tree.mutex};
      content = inode->content;
    }
    if (!content) continue;
    // Whoever is reading it sees it through; with the gate closed nobody else comes.
    const std::lock_guard content_lock{content->mutex()};
    content->detached = true;
  }
  const std::lock_guard lock{context_.tree.mutex};
  for (const auto& [inode, stored] : built.contents) {
    // Its lists of extents are where the new base is read; those of the old one may be gone
    // tomorrow.
    inode->stored = stored;
    inode->content = nullptr;
  }
  for (const auto& [directory, subtree] : built.directories) {
    directory->directory->base = subtree;
    ++directory->directory->generation;
  }
  source_.base = base;
  for (const InodePtr& inode : source_.changed) inode->journal_pending = false;
  source_.changed.clear();
  std::vector<InodePtr> unused;
  std::vector<InodePtr> left{source_.root};
  while (!left.empty()) {
    const InodePtr inode = std::move(left.back());
    left.pop_back();
    settle_inode(*inode);
    unused.push_back(inode);
    if (!inode->is_directory()) continue;
    auto& children = inode->directory->children;
    inode->directory->unjournaled.clear();
    for (auto at = children.begin(); at != children.end();) {
      if (!at->second.inode) {
        at = children.erase(at);
        continue;
      }
      at->second.in_base = true;
      if (at->second.inode->changed()) left.push_back(at->second.inode);
      ++at;
    }
  }
  // Deepest last on the list: a directory is unused when nothing in it is held.
  for (auto each = unused.rbegin(); each != unused.rend(); ++each)
    context_.tree.drop_unused(**each);
}

CommitReport Commit::run() {
  std::optional<repo::LastSnapshot> base;
  bool dirty = false;
  bool old = false;
  const auto look = [&] {
    const std::lock_guard lock{context_.tree.mutex};
    if (!source_.root)
      throw Error{ErrorCode::not_found, fmt::format("there is no source {}", source_.name)};
    base = source_.base;
    dirty = source_.is_dirty();
    old = !base || context_.clock.now().s - base->time.s >= kDay_s;
  };
  look();
  if (!source_.session && old) {
    source_.begin_session();
    look();
  }
  if (!dirty && !old) {
    if (source_.session) source_.end_session();
    return report_last(*base);
  }
  find_changed_links(source_);
  // What the store refused before is in the way of new chunks until it has been stored.
  if (source_.session->is_blocked()) source_.session->checkpoint();
  seal_files();
  const auto sink = source_.memory.sink(*source_.session);
  const BuiltTree built = build_tree(source_, *sink);
  if (base && !old && repo::same_root(built.root, base->root)) {
    settle(built, *base);
    source_.end_session();
    return report_last(*base);
  }
  repo::SnapshotDraft draft;
  draft.root = built.root;
  if (base) draft.parent = base->id;
  draft.statistics = statistics(base);
  draft.trigger = trigger_;
  source_.journal.note_commit(built.root);
  const repo::ListedSnapshot made = source_.session->commit(draft);
  const repo::LastSnapshot last{made.snapshot->id, made.snapshot->time, made.snapshot->root};
  try {
    source_.memory.remember(last, nullptr);
  } catch (const Error& error) {
    // The snapshot is there; without its trees an ingest key will have to send everything again.
    log::error("{}: the snapshot is durable, but this client could not note it: {}", source_.name,
               error.what());
  }
  settle(built, last);
  source_.end_session();
  return {.changed = true, .snapshot = made.snapshot->id.hex(), .time_name = made.time_name};
}

}  // namespace

bool recover_if_over(IngestSource& source) {
  {
    auto change = source.try_change();
    if (!change || !change->session().is_over()) return false;
  }
  const GateClosed closed{source.gate};
  if (!source.session || !source.session->is_over()) return false;
  recover_session(source);
  return true;
}

CommitReport commit_source(IngestSource& source, std::string_view trigger) {
  const std::lock_guard one_at_a_time{source.commit_mutex};
  Commit commit{source, trigger};
  commit.wait_for_writers();
  const auto note = [&](std::string error) {
    const std::lock_guard lock{source.context.tree.mutex};
    source.last_error = std::move(error);
  };
  try {
    CommitReport report = commit.run();
    note({});
    return report;
  } catch (const Error& error) {
    note(error.what());
    if (!source.session || !source.session->is_over()) throw;
    const std::vector<std::string> lost = recover_session(source);
    if (lost.empty()) throw;
    throw Error{error.code(),
                fmt::format("{}; {} files have to be sent again, for instance {}", error.message(),
                            lost.size(), lost.front()),
                error.hint()};
  }
}

}  // namespace vgerfs::fs
