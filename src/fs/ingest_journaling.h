// Writes what changed in a source's session into its journal, so that the next mount can resume it:
// attributes and names as they are, contents as extents, and those chunks that the store does not
// durably have yet as sealed blocks.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "fs/ingest_context.h"
#include "fs/ingest_journal_block.h"
#include "repo/journal.h"
#include "repo/session.h"

namespace vgerfs::fs {

class IngestSource;

/// Thread-safe. Callers are inside the source's gate, or have it closed, with a session running.
class SourceJournal {
 public:
  explicit SourceJournal(IngestSource& source);
  ~SourceJournal();

  const std::string& path() const noexcept { return path_; }

  /// Everything that requests had changed before the call is durable when it returns. Its cost is
  /// that of the changes since the last call.
  void sync();
  /// After a checkpoint: as `sync`, and a journal that has grown out of proportion is written anew.
  void sync_after_checkpoint();
  /// A snapshot with this root is about to be published: a journal that is found beside it is out
  /// of date.
  void note_commit(const repo::Entry& root);
  /// Gives the next transaction everything: what the journal says does not count any more.
  void start_over() noexcept;
  /// The session is over: deletes the file.
  void remove();

 private:
  class Transaction;
  void write(bool whole);

  IngestSource& source_;
  const std::string path_;
  std::mutex mutex_;  // held while the journal is written, by design: see docs/LOCKING.md
  // All below guarded by mutex_.
  std::unique_ptr<repo::Journal> journal_;  // null: none, or out of date
  std::unique_ptr<JournalBlockWriter> blocks_;
  std::uint64_t next_number_ = 1;
  std::uint64_t whole_bytes_ = 0;  // the journal's size after it was written as a whole
};

}  // namespace vgerfs::fs
