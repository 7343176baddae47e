// Backs up files of the local file system into a snapshot.
#pragma once

#include <cstdint>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "repo/exclude.h"
#include "repo/file_failure.h"
#include "repo/operation_progress.h"
#include "repo/repository.h"
#include "repo/settled.h"

namespace vgerfs::repo {

/// What is read from a descriptor until its end becomes the only file of the snapshot.
struct StreamSource {
  int fd = 0;
  std::string name = "stdin";
};

struct BackupOptions {
  std::string host;
  std::string source;
  std::vector<std::string> paths;  // see backup_roots.h; relative ones from the working directory
  std::optional<StreamSource> stream;  // instead of paths
  Patterns excludes;                   // of paths in the snapshot
  bool one_file_system = false;
  bool exclude_caches =
      false;  // directories tagged by the Cache Directory Tagging Specification keep their tag only
  bool force_snapshot = false;  // also if nothing changed
  bool dry_run = false;         // writes nothing; says what would be
  bool read_all = false;        // also files that did not change
  std::vector<std::string> tags;
  std::string trigger = "backup";
  int compression_level = 1;
  std::int64_t checkpoint_interval_s = 180;
  std::int64_t lock_wait_ms = 0;
  Timestamp (*file_clock)() = repo::file_clock;  // see CaptureContext
  unsigned read_threads = 0;                     // 0: one per CPU
  unsigned seal_threads = 0;
  std::stop_token stop;
};

struct BackupResult {
  std::optional<SnapshotId> snapshot;  // none after a dry run that found changes
  Timestamp time;                      // the snapshot's
  std::string time_name;
  bool unchanged = false;  // `snapshot` was there before
  format::proto::Statistics statistics;
  FileFailures failures;
  // The snapshot is whole, but the next backup may take longer, or this one was made twice.
  std::vector<std::string> warnings;
};

/// Walks, reads what changed, commits. Files that cannot be read or change meanwhile are in
/// `failures`, the others are backed up. If the tree is that of the last snapshot of the line and
/// that is less than a day old, there is no new one.
///
/// If maintenance took what the backup rests on while it slept, it is made again, once: unchanged
/// files and what a checkpoint stored cost little then. What came from a descriptor cannot be read
/// twice.
///
/// Throws usage; not_found, denied or FileError for paths that cannot be had; busy if another
/// session works on the source, or maintenance took something again; interrupted; whatever the
/// store fails with. Then there is no snapshot, but what a checkpoint stored is used by the next
/// run.
BackupResult run_backup(Repository& repository, const BackupOptions& options,
                        OperationProgress& progress);

}  // namespace vgerfs::repo
