// The walk of a backup: from a directory of the file system to a tree in the repository.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <stop_token>
#include <vector>

#include "format/snapshot.pb.h"
#include "repo/backup.h"
#include "repo/backup_roots.h"
#include "repo/chunk.h"
#include "repo/chunker.h"
#include "repo/fingerprints.h"
#include "repo/keyring.h"
#include "repo/leaving_chunks.h"
#include "repo/operation_progress.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// The snapshot that the walk compares with. All must outlive the walk.
struct WalkBase {
  const Entry& root;
  ChunkSource& trees;
  const FileFingerprints& fingerprints;
  const LeavingChunks& leaving;
};

struct WalkResult {
  Entry root;
  format::proto::Statistics statistics;  // as far as a walk knows them
  FileFailures failures;
  FingerprintWriter fingerprints;
  bool has_new_fingerprints = false;  // not just those of the base
};

/// What a walk works with. References must outlive it.
struct WalkContext {
  const BackupOptions& options;
  ChunkSink& sink;
  const Chunker& chunker;
  const std::array<std::byte, 16>& split_key;
  OperationProgress& progress;
  OperationCounts expected;  // totals, if somebody knows them
};

/// Throws what the sink throws; not_found, denied or io if the root itself cannot be read;
/// interrupted.
WalkResult walk_files(const BackupRoots& roots, const std::optional<WalkBase>& base,
                      const WalkContext& context);

}  // namespace vgerfs::repo
