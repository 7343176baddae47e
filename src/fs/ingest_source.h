// One source of the ingest view: its last snapshot, and the session in which it is being changed.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "fs/ingest_context.h"
#include "fs/ingest_gate.h"
#include "fs/ingest_journaling.h"
#include "fs/ingest_port.h"
#include "repo/session.h"
#include "repo/source_memory.h"

namespace vgerfs::fs {

/// How the source's totals differ from its last snapshot's.
struct TotalsChange {
  std::int64_t files = 0;
  std::int64_t directories = 0;
  std::int64_t others = 0;
  std::int64_t bytes = 0;  // logical, hard-linked inodes once

  std::int64_t& count_of(mode_t mode) noexcept;
};

class IngestSource;

/// Passes a change of the source through its gate, with the session running. Keep it short-lived: a
/// commit waits for it.
class SourceChange {
 public:
  SourceChange(GatePass pass, IngestSource& source);
  IngestSource& source() noexcept { return source_; }
  repo::Session& session() noexcept;
  ContentPort& port() noexcept { return port_; }

 private:
  GatePass pass_;
  IngestSource& source_;
  SessionPort port_;
};

/// Lives as long as the view. Thread-safe where not said otherwise.
class IngestSource {
 public:
  IngestSource(IngestContext& context, std::string name);
  ~IngestSource();

  /// With the gate closed and no session: shows what is there now, the session of a journal or else
  /// the last snapshot. True if that differs from what was shown before: the kernel has to look
  /// again.
  bool refresh();
  /// The source exists: it has a snapshot or a session. Tree's mutex held.
  bool exists() const noexcept { return root != nullptr; }

  /// For a request that changes something: waits while a commit runs; starts the session. Throws
  /// FsError{ESTALE} when the source was discarded, what starting fails with (busy: another process
  /// has a session).
  SourceChange change();
  /// Null while the source is being committed or has no session.
  std::optional<SourceChange> try_change();
  bool has_session() const noexcept { return epoch != 0; }

  /// Null if there is no session; waits while a commit runs.
  std::optional<SourceChange> running_change();

  // With the gate closed:
  /// Resumes the journal's session, or starts one on the newest snapshot. No-op if one runs.
  void begin_session();
  /// Starts a session on what is shown. For `begin_session` and the resume.
  void start_session();
  /// Ends it; nothing received in it can be read afterwards. The journal goes with it.
  void end_session();
  /// The session failed for good: a new one takes its place, under the same lock.
  void replace_session();
  /// mkdir of a new source, with this root; the session runs.
  void create_root(InodePtr inode);
  /// rmdir: the session goes, nothing is shown until `refresh`.
  void discard();

  /// A checkpoint of session and journal, if the last one is that long ago and something was
  /// changed since.
  void checkpoint_if_due(std::int64_t now_ns, std::int64_t interval_ns);

  /// A handle of a file that has a name was written since its last FLUSH. Tree's mutex held.
  bool is_being_written() const noexcept;
  /// Something was changed that a commit would publish. Tree's mutex held.
  bool is_dirty() const noexcept { return has_session() && root && root->changed(); }

  InodePtr find_link_group(std::uint64_t group) const;
  void remember_link_group(const InodePtr& inode) { link_groups[inode->link_group] = inode; }
  void forget_link_group(const Inode& inode) noexcept;

  IngestContext& context;
  const std::string name;
  const std::string directory;  // in the client's state
  Gate gate;
  SourceJournal journal;
  repo::SourceMemory memory;
  const std::shared_ptr<repo::ChunkSource> trees;  // where the base is read
  std::mutex commit_mutex;  // one commit at a time; held across I/O by design, see docs/LOCKING.md

  std::atomic<Epoch> epoch{0};  // of the running session; 0: none. Written with the gate closed
  std::atomic<std::int64_t> last_request_ns{0};
  std::atomic<std::int64_t> last_checkpoint_ns{0};
  std::atomic<std::int64_t> last_retry_ns{0};

  // Written with the gate closed, read inside it.
  std::unique_ptr<repo::SourceLock> lock;
  std::unique_ptr<repo::Session> session;

  // All below: guarded by the tree's mutex.
  InodePtr root;
  std::optional<repo::LastSnapshot> base;
  std::unordered_map<std::uint64_t, std::weak_ptr<Inode>> link_groups;
  std::unordered_map<std::uint64_t, InodePtr>
      changed_groups;             // hard-linked inodes of the base that were changed
  std::vector<InodePtr> changed;  // since the journal was written
  TotalsChange totals;
  std::uint64_t files_changed = 0;
  std::uint64_t bytes_received = 0;
  std::uint32_t open_handles = 0;
  /// Files with handles written since their last FLUSH, and how many. `flushed` tells when that
  /// changes.
  std::unordered_map<Inode*, std::uint32_t> written;
  std::condition_variable flushed;
  bool explicit_commit = false;  // fsync of the root does not commit
  std::string last_error;

 private:
  void acquire_lock(std::int64_t wait_ms);
  bool resume();
  std::unique_ptr<repo::Session> make_session() const;
  bool show_last();

  bool told_loss_ = false;  // of the last snapshot's trees; with the gate closed
};

}  // namespace vgerfs::fs
