// A repository opened with one credential: composes store, keys, index cache, client state and
// reader. Algorithms stand beside it (backup.h, restore.h, check.h).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "backends/backend.h"
#include "base/clock.h"
#include "crypto/password.h"
#include "crypto/random.h"
#include "repo/chunk_reader.h"
#include "repo/config.h"
#include "repo/index_cache.h"
#include "repo/key_slot.h"
#include "repo/keyring.h"
#include "repo/repository_state.h"
#include "repo/seen_state.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {

/// Where a client keeps its files (0700, made when needed). `cache` and `state` are the parents of
/// `<repository id>/`.
struct ClientDirectories {
  std::string cache;
  std::string state;
};
/// Defaults by uid and environment (VGERFS_CACHE_DIR, VGERFS_STATE_DIR, XDG…;
/// docs/ARCHITECTURE.md). `lookup` reads the environment.
ClientDirectories default_directories(
    const std::function<std::optional<std::string>(const char*)>& lookup);
/// gethostname() up to the first dot, made a valid name.
std::string default_host();

struct InitOptions {
  ChunkerParameters chunker;
  std::optional<crypto::Cipher> cipher;
  std::string label = "initial";
  crypto::PasswordCost cost;
};

struct OpenOptions {
  ClientDirectories directories;
  std::string host;                        // whose sources `latest:SOURCE` and sessions mean
  std::optional<crypto::Cipher> expected;  // refuse a config that says otherwise
  DedupPolicy dedup = DedupPolicy::trusted;
  bool accept_rollback = false;
  std::size_t block_cache_bytes = std::size_t{64} << 20;
  const Clock* clock = &system_clock();
  crypto::Random* random = &crypto::system_random();
};

/// A snapshot that a record removes. `undelete` brings it back as long as its data is there.
struct RemovedSnapshot {
  SnapshotId id;
  std::vector<SnapshotRemoval> removals;     // by each record that says so
  std::shared_ptr<const Snapshot> snapshot;  // null: its object is gone or cannot be opened
  std::optional<Timestamp> stored_at;
};

/// Thread-safe.
class Repository {
 public:
  /// Makes a repository in an empty store with one full slot. Throws exists if there is one. The
  /// keyring is returned so that a caller can go on.
  static void init(backends::Backend& backend, const Credential& credential,
                   const InitOptions& options, crypto::Random& random, const Clock& clock);

  /// Opens with the first slot that the credential fits. Throws no_repository, wrong_key,
  /// unsupported, corrupt, rollback, unavailable.
  static std::unique_ptr<Repository> open(std::shared_ptr<backends::Backend> backend,
                                          const Credential& credential, OpenOptions options);
  ~Repository();

  backends::Backend& backend() noexcept { return *backend_; }
  const Keyring& keyring() const noexcept { return *keyring_; }
  const Config& config() const noexcept { return config_; }
  const OpenOptions& options() const noexcept { return options_; }
  IndexCache& index() noexcept { return state_->index(); }
  SeenState& seen() noexcept { return state_->seen(); }
  ChunkReader& reader() noexcept { return *reader_; }
  const SlotId& slot() const noexcept { return slot_; }
  bool can_read() const noexcept { return keyring_->role() == Role::full; }
  /// The cipher that writers use here.
  crypto::Cipher cipher() const noexcept;
  /// `<state>/<repository id>` and below it `sources/<host>/<source>`; made on demand.
  std::string state_directory() const;
  std::string cache_directory() const;
  std::string source_directory(std::string_view host, std::string_view source) const;

  /// Lists the store, applies new records, looks for a rollback. Throws rollback, unavailable,
  /// corrupt.
  void refresh() { state_->refresh(); }
  /// Warnings of the last refresh (claims of ingest authors that do not hold, ignored fields, bad
  /// signatures).
  std::vector<std::string> warnings() const { return state_->warnings(); }
  /// Snapshots as of the last refresh. With an ingest key `snapshots` is empty and `ids` is not.
  std::shared_ptr<const SnapshotList> snapshots() const { return state_->snapshots(); }

  /// Records that the last refresh could not read: what they say is not known.
  std::vector<RecordId> unreadable_records() const { return state_->unreadable_records(); }
  /// Snapshots that this client or a record's author has seen and that the last refresh found by
  /// name, but not in the listing: what else it omits is not known. Not among `snapshots`.
  std::vector<SnapshotId> unlisted_snapshots() const { return state_->unlisted_snapshots(); }
  /// Removed and not undone. Reads those that are still in the store.
  std::vector<RemovedSnapshot> removed_snapshots();
  /// What config, records and snapshots in force leave to this version. See required_features.h.
  Supported supported();

  /// Adds a snapshot that this process has just made durable to the list and returns it as listed
  /// (with an ingest key: only returns it).
  ListedSnapshot adopt_snapshot(Snapshot snapshot) {
    return state_->adopt_snapshot(std::move(snapshot));
  }

  /// Writes a record that says what `record` says beside time and heads, makes it durable and
  /// applies it to the cache. `record.session` stays if it is set.
  RecordId publish_record(IndexRecord record);
  /// Adds the heads that this client knows to a record's `after`.
  void add_heads(IndexRecord& record);

 private:
  Repository() = default;
  void open_with(const Credential& credential);
  void open_client_files();

  std::shared_ptr<backends::Backend> backend_;
  OpenOptions options_;
  Config config_;
  SlotId slot_;
  std::unique_ptr<Keyring> keyring_;
  std::unique_ptr<RepositoryState> state_;
  std::unique_ptr<ChunkReader> reader_;
};

}  // namespace vgerfs::repo
