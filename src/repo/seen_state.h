// What this client has seen of a repository, for rollback detection: kept in the state directory,
// not the cache.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "format/store_change.h"

namespace vgerfs::repo {

/// SQLite database `directory`/seen.sqlite. Many threads, several processes. What it says was added
/// survives a power cut.
class SeenState {
 public:
  /// Opens it, or makes it with its directory (mode 0700). A damaged file is made anew, with a
  /// warning, and is_new. Throws usage if it belongs to another repository, unsupported if a newer
  /// program made it.
  static std::unique_ptr<SeenState> open(const std::string& directory,
                                         const RepositoryId& repository);
  virtual ~SeenState() = default;

  /// True when nothing had been seen at the time of opening: rollback detection starts anew.
  virtual bool is_new() const = 0;
  /// Adds what is not there yet, durably.
  virtual void add(const std::vector<RecordId>& records,
                   const std::vector<SnapshotId>& snapshots) = 0;
  /// Seen before, but not among the given (fastest when each is sorted).
  struct Missing {
    std::vector<RecordId> records;
    std::vector<SnapshotId> snapshots;
  };
  virtual Missing missing(const std::vector<RecordId>& listed_records,
                          const std::vector<SnapshotId>& listed_snapshots) = 0;
  /// Where the store's history was when this client last looked; nullopt: it never did.
  virtual std::optional<format::ChainHead> store_head() = 0;
  /// Not durable at once: who loses it only has an older one.
  virtual void set_store_head(const format::ChainHead& head) = 0;
  /// The user accepted a rollback: forgets these.
  virtual void forget(const Missing& missing) = 0;
};

}  // namespace vgerfs::repo
