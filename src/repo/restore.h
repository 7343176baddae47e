// Restores a snapshot, or a part of one, into a directory of the local file system.
#pragma once

#include <cstdint>
#include <functional>
#include <stop_token>
#include <string>
#include <vector>

#include "crypto/random.h"
#include "repo/attribute_writer.h"
#include "repo/chunk_reader.h"
#include "repo/exclude.h"
#include "repo/file_failure.h"
#include "repo/file_restorer.h"
#include "repo/operation_progress.h"
#include "repo/tree.h"

namespace vgerfs::repo {

struct RestoreOptions {
  std::string target;  // made if it is not there
  Patterns include;    // of paths below the entry; empty: everything. A directory that matches is
                       // taken with all in it
  Patterns exclude;
  bool in_place = false;  // the target may have files: those that differ are replaced, others stay
  bool remove_others = false;  // or are removed; only in place, of a whole directory
  bool verify = false;         // reads back what was written, and the content of what is kept
  bool dry_run = false;        // changes nothing
  unsigned threads = 0;        // 0: one per CPU
  std::stop_token stop;
  OperationCounts expected;  // totals for the progress, if the caller knows them
};

/// Told of each file and directory, in no particular order between directories. `keep` of a
/// directory: it is there.
using RestoreListener =
    std::function<void(RestoreAction action, const std::string& path, const Entry& entry)>;

struct RestoreResult {
  std::uint64_t files = 0;  // made or replaced
  std::uint64_t directories = 0;
  std::uint64_t others = 0;
  std::uint64_t kept = 0;     // were there as they should be
  std::uint64_t removed = 0;  // were there, and are not in the snapshot
  std::uint64_t bytes = 0;    // sizes of the files made or replaced, linked ones once
  FileFailures failures;
  std::vector<RestoreLimit> limits;  // what this user may not do, or the target does not have
};

/// A directory's contents become the target's, which gets its attributes; another entry becomes a
/// file in the target. Files that fail are in the result, the others are restored. Names are never
/// followed through links: planted or swapped ones are replaced (in place) or failures.
///
/// Directories get their attributes after what is in them, all of it.
///
/// With `remove_others` names that the snapshot does not have are removed before anything is
/// restored into their directory (restore_removal.h), but for the target's own lost+found.
///
/// Throws usage for options that do not go together; exists if the target is not empty and not to
/// be restored in place; interrupted; unavailable and what else the store as a whole fails with;
/// no_space or read_only for the target.
RestoreResult run_restore(ChunkReader& reader, const Entry& entry, const RestoreOptions& options,
                          OperationProgress& progress, const RestoreListener& listener = {},
                          crypto::Random& random = crypto::system_random());

}  // namespace vgerfs::repo
