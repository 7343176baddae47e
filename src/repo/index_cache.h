// The client's copy of the index: a SQLite database updated from new records only, with a filter in
// front. Deleting it costs time, never data. Its file is sealed against nothing but other users
// (mode 0600): it holds ids, places and sizes, no names and no keys.
#pragma once

#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/ids.h"
#include "crypto/public_key.h"
#include "repo/chunk.h"
#include "repo/index_record.h"

namespace vgerfs::repo {

/// Names what an entry says of a pack: equal for entries that agree in size and columns.
using EntryDigest = std::array<std::byte, 32>;

/// Where a chunk lies.
struct ChunkPlace {
  PackId pack;
  BlockEntry block;            // with all its chunks
  std::uint32_t position = 0;  // of the chunk in block.chunks
  std::uint32_t offset = 0;    // of the chunk in the block's plaintext
  bool trusted = false;  // sealed by a full author (or vouched): need not be hashed at each read
  crypto::PublicKey author{};
  /// Authors of equal trust may say different things of one pack: what is kept per block is kept
  /// per entry.
  EntryDigest entry{};
};

enum class DedupPolicy { trusted, all };

struct IndexTotals {
  std::uint64_t records = 0;
  std::uint64_t packs =
      0;  // entries that count: one per pack, unless authors contradict each other
  std::uint64_t blocks = 0;
  std::uint64_t chunks = 0;        // entries, duplicates counted
  std::uint64_t stored_bytes = 0;  // of all packs
  std::uint64_t plain_bytes = 0;   // of all chunk entries
};

/// Many threads may call every function at once; several processes may share a database (WAL). Its
/// order of work does not matter: the same records in any order give the same answers
/// (index_fold.h).
///
/// Damage that shows in the middle of work throws corrupt, from then on; the next `open` makes the
/// cache anew. Another process may do that under this one, which then finds no record applied:
/// whoever misses a chunk refreshes before it reports a loss.
class IndexCache {
 public:
  /// Opens or makes `directory`/index.sqlite (directory 0700, file 0600). A database of another
  /// repository or version, or a damaged one, is made anew, with a warning in the log.
  static std::unique_ptr<IndexCache> open(const std::string& directory,
                                          const RepositoryId& repository);
  virtual ~IndexCache() = default;
  /// Has the next `open` make it anew. Other processes may have it open: the files themselves must
  /// not be deleted.
  static void discard(const std::string& directory);

  /// Changes when the cache was made anew, by another process perhaps: all records have to be
  /// applied again.
  virtual std::array<std::byte, 16> generation() = 0;
  /// Records applied so far.
  virtual bool has_record(const RecordId& id) = 0;
  virtual std::vector<RecordId> records() = 0;
  /// Adds one record's packs, removals and `after` links in a transaction; no-op if it was applied.
  virtual void apply(const RecordId& id, const IndexRecord& record, std::uint64_t stored_bytes) = 0;

  /// All places of a chunk, most trusted first. Empty if unknown. Exact.
  virtual std::vector<ChunkPlace> find(const ChunkId& id) = 0;
  /// Before a chunk is reported as lost: reads the whole cache (once per run; a minute for ten
  /// million chunks), and throws corrupt if it is damaged so that an answer might be wrong.
  virtual void check_once() = 0;
  /// Whether the chunk may be deduplicated against, for an author under a policy. Fast for ids
  /// never seen. After a power cut it may miss what another process applied; never says yes for
  /// what is not there.
  virtual bool knows(const ChunkId& id, const crypto::PublicKey& author, DedupPolicy policy) = 0;

  /// Record heads: records not named in any applied record's `after`. Snapshot heads: of `listed`,
  /// those not named.
  virtual std::vector<RecordId> record_heads() = 0;
  virtual std::vector<SnapshotId> snapshot_heads(const std::vector<SnapshotId>& listed) = 0;
  /// Names that full authors' records claim in their `after`, and the claims of others.
  struct Claim {
    ObjectId id;
    bool snapshot = false;
    bool by_full_author = false;
  };
  virtual std::vector<Claim> claims() = 0;

  virtual std::vector<SnapshotId> removed_snapshots() = 0;
  virtual IndexTotals totals() = 0;
  /// Every pack once, in no order, but a pack of which authors of equal trust say different things
  /// once for each; `blocks` filled when `with_blocks`. Packs applied meanwhile may be left out.
  virtual void for_each_pack(
      bool with_blocks,
      const std::function<void(const PackDescription&, const RecordId&, bool trusted)>& each) = 0;
};

}  // namespace vgerfs::repo
