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

/// Where a chunk lies.
struct ChunkPlace {
  PackId pack;
  std::shared_ptr<const BlockEntry> block;  // with all its chunks
  std::uint32_t position = 0;               // of the chunk in block->chunks
  std::uint32_t offset = 0;                 // of the chunk in the block's plaintext
  bool trusted = false;    // sealed by a full author or vouched: need not be hashed at each read
  bool vouched = false;    // hashed by a full author since it was sealed
  bool condemned = false;  // readable, but it will be deleted: nothing new may rest on it
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

/// A pack as an entry describes it.
struct IndexedPack {
  PackDescription description;
  std::vector<RecordId> records;  // that say so, ascending
  crypto::PublicKey author{};     // who sealed its blocks
  bool trusted = false;           // that is a full author
  EntryDigest entry{};
  bool all_vouched = false;
  std::vector<std::uint32_t> vouched_blocks;  // ascending; where not all were
};

struct IndexedRecord {
  RecordId id;
  crypto::PublicKey author{};
  Role role = Role::ingest;
  SessionId session{};
  Timestamp time;  // as its author says
  std::uint64_t stored_bytes = 0;
  bool revoked = false;     // its author was, and nobody let it survive: its additions do not count
  bool supersedes = false;  // it carries over what others said
  bool superseded = false;  // another carries over what it says
};

/// The facts (index_facts.h) that are in force. Origins are set.
struct FactState {
  std::vector<SnapshotRemoval> removals;    // not undone; each record that removes a snapshot
  std::vector<Condemnation> condemnations;  // not undone, of packs that are not buried
  std::vector<Annotation> annotations;      // the one that counts for each property
  std::vector<Revocation> revocations;
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
  virtual std::vector<IndexedRecord> record_list() = 0;
  /// What the records in force allow this version to do.
  virtual Supported supported() = 0;
  /// Adds one record's packs, removals and `after` links in a transaction; no-op if it was applied.
  virtual void apply(const RecordId& id, const IndexRecord& record, std::uint64_t stored_bytes) = 0;

  /// All places of a chunk, most trusted first. Empty if unknown. Exact.
  virtual std::vector<ChunkPlace> find(const ChunkId& id) = 0;
  /// Before a chunk is reported as lost: reads the whole cache (once per run; a minute for ten
  /// million chunks), and throws corrupt if it is damaged so that an answer might be wrong.
  virtual void check_once() = 0;
  /// A pack that holds the chunk and that an author may deduplicate against under a policy: never a
  /// condemned one. Fast for ids never seen. After a power cut it may miss what another process
  /// applied; never names what is not there.
  virtual std::optional<PackId> find_usable(const ChunkId& id, const crypto::PublicKey& author,
                                            DedupPolicy policy) = 0;
  bool knows(const ChunkId& id, const crypto::PublicKey& author, DedupPolicy policy) {
    return find_usable(id, author, policy).has_value();
  }

  /// Record heads: records that no author of at least equal trust names in an `after`, and that are
  /// not superseded.
  virtual std::vector<RecordId> record_heads() = 0;
  /// Snapshot heads: of `listed`, those that no record names; for a full author's record: that no
  /// full author's names.
  virtual std::vector<SnapshotId> snapshot_heads(const std::vector<SnapshotId>& listed,
                                                 Role writer) = 0;
  /// Names that full authors' records claim in their `after`, and the claims of others.
  struct Claim {
    ObjectId id;
    bool snapshot = false;
    bool by_full_author = false;
  };
  virtual std::vector<Claim> claims() = 0;

  /// Removed and not undone; ascending.
  virtual std::vector<SnapshotId> removed_snapshots() = 0;
  virtual FactState facts() = 0;
  /// All that records said, in force or not. Origins are set.
  virtual Facts all_facts() = 0;
  /// Ascending, and so are the next.
  virtual std::vector<PackId> buried_packs() = 0;
  virtual std::vector<RecordId> superseded_records() = 0;
  virtual bool is_buried(const PackId& pack) = 0;
  virtual bool is_superseded(const RecordId& record) = 0;
  /// What counts of one pack, with blocks; several if authors of equal trust contradict each other.
  virtual std::vector<IndexedPack> find_pack(const PackId& id) = 0;
  /// First 8 bytes (ChunkId::prefix) of the ids of chunks that lie in more than one place; a few of
  /// others, too. Reads the whole index in order.
  virtual void for_each_repeated(const std::function<void(std::uint64_t prefix)>& each) = 0;
  virtual IndexTotals totals() = 0;
  /// Every pack once, in no order, but a pack of which authors of equal trust say different things
  /// once for each; `blocks` filled when `with_blocks`. Packs applied meanwhile may be left out.
  virtual void for_each_pack(bool with_blocks,
                             const std::function<void(const IndexedPack&)>& each) = 0;
};

}  // namespace vgerfs::repo
