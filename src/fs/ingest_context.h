// What the parts of the ingest view share.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <mutex>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "fs/ingest_fs.h"
#include "fs/ingest_runs.h"
#include "fs/ingest_tree.h"
#include "repo/chunker.h"
#include "repo/file_entry.h"
#include "repo/repository.h"
#include "repo/spool.h"

namespace vgerfs::fs {

inline constexpr std::size_t kRunBudgetBytes = std::size_t{64} << 20;

/// The repository must outlive it. Thread-safe as its parts are.
struct IngestContext {
  IngestContext(repo::Repository& repository_in, IngestOptions options_in)
      : repository(repository_in),
        options(std::move(options_in)),
        clock(*repository.options().clock),
        spool(repository.state_directory(), options.spool_bytes, *repository.options().random),
        chunker(repository.config().chunker, repository.keyring().gear_table()),
        journal_key(repository.keyring().local_key("journal")) {}

  repo::Repository& repository;
  const IngestOptions options;
  const Clock& clock;
  repo::Spool spool;  // before the tree, whose contents hold its records
  IngestTree tree;
  OpenRuns runs{kRunBudgetBytes};
  const repo::Chunker chunker;
  repo::OwnerNames owners;
  const crypto::Secret journal_key;
  std::atomic<Epoch> last_epoch{0};

  /// Tells the kernel, some time soon, to look a name up again.
  void invalidate(NodeId parent, std::string_view name) const;
  /// Tells it, before this returns, that a node's attributes are others than it thinks.
  void invalidate_attributes(NodeId node) const;

  mutable std::mutex callbacks_mutex;  // leaf; guards the next two
  std::function<void(NodeId, std::string_view)> on_invalidate;
  std::function<void(NodeId)> on_invalidate_attributes;
};

/// The node of `ingest/` itself.
inline constexpr NodeId kIngestRoot = node_in(View::ingest, 1);

}  // namespace vgerfs::fs
