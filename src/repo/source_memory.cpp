#include "repo/source_memory.h"

#include <algorithm>
#include <unordered_set>
#include <utility>

#include "base/log.h"
#include "repo/node_walk.h"
#include "repo/snapshot_list.h"

namespace vgerfs::repo {
namespace {

constexpr const char* kLastFile = "/last";
constexpr const char* kTreesFile = "/trees.sqlite";
constexpr const char* kFingerprintsFile = "/fingerprints";
constexpr const char* kLastPurpose = "last snapshot";
constexpr const char* kTreesPurpose = "trees";

/// Passes chunks on and keeps metadata.
class KeepingSink final : public ChunkSink {
 public:
  KeepingSink(ChunkSink& session, TreeStore* trees) : session_(session), trees_(trees) {}

  ChunkId put(ChunkKind kind, ByteView bytes) override {
    const ChunkId id = session_.put(kind, bytes);
    if (trees_ != nullptr && kind != ChunkKind::data) trees_->put(kind, id, bytes);
    return id;
  }

 private:
  ChunkSink& session_;
  TreeStore* trees_;  // null: keeps nothing
};

}  // namespace

SourceMemory::SourceMemory(Repository& repository, std::string_view host, std::string_view source)
    : repository_(repository),
      host_(host),
      source_(source),
      directory_(repository.source_directory(host, source)) {}

std::optional<LastSnapshot> SourceMemory::last() {
  if (repository_.can_read()) {
    const auto list = repository_.snapshots();
    const ListedSnapshot* newest = latest_of(*list, host_, source_);
    if (newest == nullptr) return std::nullopt;
    return LastSnapshot{newest->snapshot->id, newest->snapshot->time, newest->snapshot->root};
  }
  const Keyring& keyring = repository_.keyring();
  std::optional<LastSnapshot> last;
  try {
    last = read_last_snapshot(directory_ + kLastFile, keyring.local_key(kLastPurpose),
                              keyring.repository());
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
    log::warning(
        "the record of the last snapshot of {}/{} is damaged; everything is read again: {}", host_,
        source_, error.what());
  }
  if (!last || !is_there(repository_, last->id)) return std::nullopt;
  return last;
}

bool SourceMemory::has_trees(const LastSnapshot& snapshot) {
  const auto subtree = subtree_of(snapshot.root);
  return repository_.can_read() || !subtree || tree_store().contains(*subtree);
}

TreeStore& SourceMemory::tree_store() {
  const std::lock_guard lock{mutex_};
  if (!trees_) {
    const Keyring& keyring = repository_.keyring();
    trees_ = TreeStore::open(directory_ + kTreesFile, keyring.local_key(kTreesPurpose),
                             keyring.repository());
  }
  return *trees_;
}

ChunkSource& SourceMemory::trees() {
  if (repository_.can_read()) return repository_.reader();
  return tree_store();
}

std::unique_ptr<ChunkSink> SourceMemory::sink(ChunkSink& session) {
  return std::make_unique<KeepingSink>(session, repository_.can_read() ? nullptr : &tree_store());
}

void SourceMemory::flush() {
  if (!repository_.can_read()) tree_store().flush();
}

std::unique_ptr<FileFingerprints> SourceMemory::fingerprints(const SnapshotId& snapshot) const {
  return FileFingerprints::open(directory_ + kFingerprintsFile, snapshot);
}

void SourceMemory::remember_fingerprints(const SnapshotId& snapshot,
                                         FingerprintWriter& fingerprints) const {
  fingerprints.write(directory_ + kFingerprintsFile, snapshot);
}

void SourceMemory::remember(const LastSnapshot& snapshot, FingerprintWriter* fingerprints) {
  if (!repository_.can_read()) {
    TreeStore& trees = tree_store();
    trees.flush();
    const Keyring& keyring = repository_.keyring();
    write_last_snapshot(directory_ + kLastFile, snapshot, keyring.local_key(kLastPurpose),
                        keyring.repository());
    // Only now: until then the snapshot before was the one to go on from.
    std::unordered_set<ChunkId> needed;
    for_each_metadata_chunk(trees, snapshot.root,
                            [&](ChunkKind, const ChunkId& id) { return needed.insert(id).second; });
    trees.retain([&](const ChunkId& id) { return needed.contains(id); });
  }
  // Without new ones the old are of another snapshot, which is as good as none.
  if (fingerprints != nullptr) remember_fingerprints(snapshot.id, *fingerprints);
}

bool is_there(Repository& repository, const SnapshotId& id) {
  const auto list = repository.snapshots();
  const auto removed = repository.index().removed_snapshots();
  return std::binary_search(list->ids.begin(), list->ids.end(), id) &&
         !std::binary_search(removed.begin(), removed.end(), id);
}

}  // namespace vgerfs::repo
