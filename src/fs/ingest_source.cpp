#include "fs/ingest_source.h"

#include <sys/stat.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_base.h"
#include "fs/ingest_rebase.h"
#include "fs/ingest_resume.h"

namespace vgerfs::fs {
namespace {

/// How long a resume waits for a daemon that may still be committing.
constexpr std::int64_t kResumeWait_ms = 30'000;

}  // namespace

std::int64_t& TotalsChange::count_of(mode_t mode) noexcept {
  if (S_ISREG(mode)) return files;
  return S_ISDIR(mode) ? directories : others;
}

SourceChange::SourceChange(GatePass pass, IngestSource& source)
    : pass_(std::move(pass)), source_(source), port_(source) {}

repo::Session& SourceChange::session() noexcept { return *source_.session; }

IngestSource::IngestSource(IngestContext& context_in, std::string name_in)
    : context(context_in),
      name(std::move(name_in)),
      directory(context.repository.source_directory(context.options.host, name)),
      journal(*this),
      memory(context.repository, context.options.host, name),
      trees(std::make_shared<BaseChunks>(memory.trees())) {}

IngestSource::~IngestSource() = default;

InodePtr IngestSource::find_link_group(std::uint64_t group) const {
  const auto found = link_groups.find(group);
  return found == link_groups.end() ? nullptr : found->second.lock();
}

void IngestSource::forget_link_group(const Inode& inode) noexcept {
  if (inode.link_group == 0) return;
  const auto found = link_groups.find(inode.link_group);
  if (found != link_groups.end() && found->second.lock().get() == &inode) link_groups.erase(found);
}

bool IngestSource::is_being_written() const noexcept {
  return std::any_of(written.begin(), written.end(),
                     [](const auto& each) { return !each.first->links.empty(); });
}

void IngestSource::acquire_lock(std::int64_t wait_ms) {
  if (!lock)
    lock = std::make_unique<repo::SourceLock>(repo::SourceLock::acquire(directory, wait_ms));
}

bool IngestSource::resume() {
  if (!repo::Journal::exists(journal.path())) return false;
  acquire_lock(0);
  try {
    return resume_session(*this);
  } catch (...) {
    session.reset();
    epoch = 0;
    lock.reset();
    throw;
  }
}

bool IngestSource::show_last() {
  std::optional<repo::LastSnapshot> last = memory.last();
  if (last && !memory.has_trees(*last)) {
    // Every look at the source comes here.
    if (!std::exchange(told_loss_, true)) {
      log::warning(
          "{}: this client has lost the trees of its last snapshot; everything has to be sent "
          "again",
          name);
    }
    last = std::nullopt;
  }
  {
    const std::lock_guard tree_lock{context.tree.mutex};
    const bool same = base.has_value() == last.has_value() && (!base || base->id == last->id);
    if (same && exists() == base.has_value()) return false;
    if (!last || !root) {
      // What the kernel holds of the old tree answers ESTALE from now on.
      if (root) context.tree.detach(root);
      root = nullptr;
      link_groups.clear();
      base = std::move(last);
      if (base) {
        root = inode_of_entry(base->root, context.tree.names);
        root->number = number_of_base_entry(0, name, base->root);
        context.tree.adopt(root, *this);
      }
      context.invalidate(kIngestRoot, name);
      return true;
    }
  }
  rebase_source(*this, *last);
  return true;
}

bool IngestSource::refresh() {
  if (session) return false;
  try {
    if (resume()) return true;
  } catch (const Error& error) {
    // Another daemon has it, perhaps still committing: until it is through, its last snapshot
    // shows.
    if (error.code() != ErrorCode::busy) throw;
  }
  lock.reset();
  return show_last();
}

void IngestSource::start_session() {
  acquire_lock(0);
  try {
    session = make_session();
  } catch (...) {
    lock.reset();
    throw;
  }
  epoch = ++context.last_epoch;
  last_checkpoint_ns = last_request_ns = context.clock.boot_ns();
  journal.start_over();
}

std::unique_ptr<repo::Session> IngestSource::make_session() const {
  repo::SessionOptions options;
  options.host = context.options.host;
  options.source = name;
  options.compression_level = context.options.compression_level;
  // Checkpoints are taken together with the journal: see IngestFs::tick.
  options.checkpoint_interval_s = 0;
  return std::make_unique<repo::Session>(context.repository, options);
}

void IngestSource::end_session() {
  epoch = 0;
  try {
    journal.remove();
  } catch (const Error& error) {
    // It says that it was committed (or is out of date), so that nobody resumes it.
    log::warning("{}: {}", name, error.what());
  }
  session.reset();
  context.repository.reader().clear();
  lock.reset();
  const std::lock_guard tree_lock{context.tree.mutex};
  changed.clear();
  changed_groups.clear();
  totals = {};
  files_changed = bytes_received = 0;
}

void IngestSource::replace_session() {
  auto next = make_session();
  session = std::move(next);
  journal.start_over();
}

void IngestSource::create_root(InodePtr inode) {
  const std::lock_guard tree_lock{context.tree.mutex};
  VGERFS_CHECK(!root);
  inode->directory = std::make_unique<Directory>();
  context.tree.adopt(inode, *this);
  root = std::move(inode);
  base = std::nullopt;
  context.tree.mark_dirty(*root);
}

void IngestSource::discard() {
  {
    const std::lock_guard tree_lock{context.tree.mutex};
    if (root) context.tree.detach(root);
    root = nullptr;
    base = std::nullopt;
    link_groups.clear();
  }
  if (session) end_session();
}

SourceChange IngestSource::change() {
  for (;;) {
    GatePass pass{gate};
    {
      const std::lock_guard tree_lock{context.tree.mutex};
      if (!root) throw FsError{ESTALE};
    }
    if (session) return {std::move(pass), *this};
    { GatePass leaving{std::move(pass)}; }
    const GateClosed closed{gate};
    begin_session();
  }
}

void IngestSource::begin_session() {
  if (session) return;
  // Whoever has the lock may keep it for hours, unless it is a daemon that is about to end.
  acquire_lock(repo::Journal::exists(journal.path()) ? kResumeWait_ms : 0);
  if (resume()) return;
  start_session();
  try {
    show_last();
  } catch (...) {
    end_session();
    throw;
  }
}

void IngestSource::checkpoint_if_due(std::int64_t now_ns, std::int64_t interval_ns) {
  if (interval_ns <= 0 || now_ns - last_checkpoint_ns < interval_ns) return;
  const auto change = try_change();
  if (!change) return;
  last_checkpoint_ns = now_ns;
  session->checkpoint();
  journal.sync_after_checkpoint();
}

std::optional<SourceChange> IngestSource::running_change() {
  GatePass pass{gate};
  if (!session) return std::nullopt;
  return SourceChange{std::move(pass), *this};
}

std::optional<SourceChange> IngestSource::try_change() {
  if (!gate.try_enter()) return std::nullopt;
  GatePass pass{gate, std::adopt_lock};
  if (!session) return std::nullopt;
  return SourceChange{std::move(pass), *this};
}

}  // namespace vgerfs::fs
