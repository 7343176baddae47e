// What the store shows, and what this client makes of it: index records folded into its cache,
// snapshots as a list; and whether the store shows less than was seen before.
#pragma once

#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "backends/backend.h"
#include "repo/index_cache.h"
#include "repo/keyring.h"
#include "repo/seen_state.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {

/// Thread-safe. As of the last refresh, of which there must be one before anything is asked for.
class RepositoryState {
 public:
  struct Options {
    std::string state_directory;  ///< of this repository, as the next
    std::string cache_directory;
    bool accept_rollback = false;
    const Clock* clock = nullptr;
  };

  /// Opens the client's files and applies new records. Throws rollback if the store has lost some
  /// that were applied; if the user accepts that, the index begins anew. `backend` and `keyring`
  /// outlive this.
  RepositoryState(backends::Backend& backend, const Keyring& keyring, Options options);
  ~RepositoryState();

  IndexCache& index() noexcept { return *index_; }
  SeenState& seen() noexcept { return *seen_; }

  /// See Repository, whose functions of these names these are.
  void refresh();
  std::vector<std::string> warnings() const;
  std::shared_ptr<const SnapshotList> snapshots() const;
  std::vector<RecordId> unreadable_records() const;
  std::vector<SnapshotId> unlisted_snapshots() const;
  ListedSnapshot adopt_snapshot(Snapshot snapshot);

  std::shared_ptr<const Snapshot> read_snapshot(const SnapshotId& id);

 private:
  struct Listing;
  Listing list_store();
  bool refresh_once();
  /// Throws rollback when the store shows less than was seen; forgets what is missing when the user
  /// accepts that. Adds snapshots that only the listing lacks.
  void check_rollback(const Listing& listing, std::set<SnapshotId>& unlisted);
  /// False if a listed object was gone when it was read: maintenance is at work, list again.
  bool apply_new_records(const Listing& listing);
  bool read_snapshots(const Listing& listing);
  void publish_list(std::shared_ptr<SnapshotList> list);
  /// Objects that signed objects claim to have known, but that are not there. Adds snapshots that
  /// only the listing lacks.
  void check_claims(const Listing& listing, std::set<SnapshotId>& unlisted);
  /// What is listed when it is asked for again came between the listing and the look.
  void check_history();
  void note_unlisted(std::set<SnapshotId> unlisted);
  void warn(std::string text);
  bool can_read() const noexcept { return keyring_.role() == Role::full; }

  backends::Backend& backend_;
  const Keyring& keyring_;
  const Options options_;
  std::unique_ptr<SeenState> seen_;
  std::unique_ptr<IndexCache> index_;
  std::mutex
      refresh_mutex_;  // one refresh at a time; held across I/O by design, see docs/LOCKING.md
  // Both guarded by refresh_mutex_.
  std::unordered_map<SnapshotId, std::shared_ptr<const Snapshot>> opened_;
  std::unique_ptr<Listing> last_listing_;
  mutable std::mutex mutex_;  // leaf; guards all below
  std::shared_ptr<const SnapshotList> snapshots_ = std::make_shared<SnapshotList>();
  std::vector<std::string> warnings_;
  std::vector<RecordId> unreadable_records_;
  std::vector<SnapshotId> unlisted_snapshots_;
};

}  // namespace vgerfs::repo
