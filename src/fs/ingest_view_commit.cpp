// Durability: fsync, commits, checkpoints, idleness, and the end of the daemon.
#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "fs/ingest_commit.h"
#include "fs/ingest_view.h"

namespace vgerfs::fs {

void IngestView::sync_directory(NodeId node, const std::function<bool()>& interrupted) {
  if (node == kIngestRoot) {
    for (IngestSource* source : all_sources()) {
      if (const auto change = source->running_change()) source->journal.sync();
    }
    return;
  }
  IngestSource& source = source_of(node);
  InodePtr directory;
  bool commits = false;
  {
    const TreeLock lock{context_.tree.mutex};
    directory = context_.tree.find(node);
    commits = source.root == directory && !source.explicit_commit;
  }
  if (commits) {
    jobs_.commit(source.name, "fsync", interrupted);
  } else if (auto change = enter_source_of(*directory, &IngestSource::running_change)) {
    change->source().journal.sync();
  }
}

CommitReport IngestView::commit(std::string_view name, std::string_view trigger) {
  IngestSource* source = find_source(name);
  if (source == nullptr) {
    throw Error{ErrorCode::not_found, fmt::format("there is no source '{}' in ingest/", name)};
  }
  return commit_source(*source, trigger);
}

void IngestView::commit_all(std::string_view trigger) {
  std::exception_ptr first;
  const auto attempt = [&](const std::string& name, const auto& work) {
    try {
      work();
    } catch (const std::exception& error) {
      log::error("{}: {}", name, error.what());
      if (!first) first = std::current_exception();
    }
  };
  // A session that nobody asked for since this mount began may wait in a journal.
  for (const std::string& name : source_names()) attempt(name, [&] { find_source(name); });
  for (IngestSource* source : all_sources()) {
    {
      const TreeLock lock{context_.tree.mutex};
      if (!source->has_session()) continue;
    }
    attempt(source->name, [&] { commit(source->name, trigger); });
  }
  if (first) std::rethrow_exception(first);
}

std::vector<SourceStatus> IngestView::status() {
  std::vector<SourceStatus> out;
  for (IngestSource* source : all_sources()) {
    SourceStatus status;
    status.source = source->name;
    status.spool_bytes = context_.spool.used_bytes();
    // The counters are the session's, which ends behind the gate.
    if (auto change = source->try_change())
      status.bytes_stored = change->session().counters().stored_bytes;
    const TreeLock lock{context_.tree.mutex};
    if (!source->exists()) continue;
    status.dirty = source->is_dirty();
    status.files_changed = source->files_changed;
    status.bytes_received = source->bytes_received;
    status.last_error = source->last_error;
    out.push_back(std::move(status));
  }
  return out;
}

void IngestView::find_sessions() {
  if (looked_for_sessions_.exchange(true)) return;
  // Sessions that nobody asks for since the mount began are resumed, and then committed, all the
  // same.
  for (const std::string& name : source_names()) {
    try {
      if (has_journal(name)) find_source(name);
    } catch (const std::exception& error) {
      log::warning("{}: {}", name, error.what());
    }
  }
}

void IngestView::tick() {
  find_sessions();
  for (IngestSource* source : all_sources()) {
    const std::int64_t now_ns = context_.clock.boot_ns();
    try {
      bool idle = false;
      bool shown = false;
      {
        const TreeLock lock{context_.tree.mutex};
        shown = source->exists();
        idle = source->has_session() && source->open_handles == 0 &&
               context_.options.autocommit_s > 0 &&
               now_ns - source->last_request_ns >= context_.options.autocommit_s * kNsPerSecond;
      }
      if (!shown) continue;
      if (!source->has_session()) {
        // Not waiting: whoever is inside is about to start a session and looks for itself.
        const GateClosed closed{source->gate};
        source->refresh();
        continue;
      }
      if (recover_if_over(*source)) continue;
      if (idle) {
        // One that fails is tried again after the same time, not at every tick.
        source->last_request_ns = now_ns;
        commit(source->name, "idle");
        continue;
      }
      source->checkpoint_if_due(now_ns, context_.options.checkpoint_interval_s * kNsPerSecond);
    } catch (const FsError& error) {
      if (error.error_number() != EBUSY)
        log::warning("{}: error {}", source->name, error.error_number());
    } catch (const std::exception& error) {
      // It shows again at the next write, fsync or commit.
      log::warning("{}: {}", source->name, error.what());
    }
  }
}

void IngestView::suspend() noexcept {
  for (IngestSource* source : all_sources()) {
    try {
      const GateClosed closed{source->gate};
      if (!source->session) continue;
      bool dirty = false;
      {
        const TreeLock lock{context_.tree.mutex};
        dirty = source->is_dirty();
      }
      if (!dirty) {
        source->end_session();
        continue;
      }
      try {
        source->session->checkpoint();
      } catch (const Error& error) {
        // The journal keeps what the store does not take.
        log::warning("{}: {}", source->name, error.what());
      }
      source->journal.sync_after_checkpoint();
    } catch (const std::exception& error) {
      log::error("{}: what was not synced may be lost: {}", source->name, error.what());
    }
  }
}

}  // namespace vgerfs::fs
