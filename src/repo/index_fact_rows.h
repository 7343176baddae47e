// Facts (index_facts.h) as rows of the index cache's table `fact`: a set, so that the order in
// which records are applied does not matter.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "base/sqlite.h"
#include "repo/index_cache.h"
#include "repo/index_facts.h"

namespace vgerfs::repo {

/// What a row says of its subject. `origin` is the record that said it first, unless noted.
enum class FactKind : std::uint8_t {
  removal = 1,       ///< snapshot; value: time
  condemnation = 2,  ///< pack; value: time
  undo = 3,          ///< snapshot or pack; origin: the record that is undone
  buried = 4,        ///< pack; no origin
  superseded = 5,    ///< record; no origin
  vouch = 6,         ///< pack; origin: the entry's digest; value: the block's position, -1: all
  annotation = 7,    ///< snapshot; value: seconds; data: nanoseconds and the property
  revocation = 8,    ///< author; origin: hash of data; data: signature, then the surviving ids
};

struct FactRow {
  FactKind kind{};
  ObjectId subject;
  ObjectId origin;
  std::int64_t value = 0;
  Bytes data;
};

/// The rows of what record `id` says.
void for_each_fact_row(const RecordId& id, const Facts& facts,
                       const std::function<void(const FactRow&)>& each);

/// Adds a row and its hash to the kind's sum. False if it was there.
bool insert_fact(Database& database, const FactRow& row);

/// SQL conditions on a pack's row `p` and a block's row `b`, without parameters.
#define VGERFS_PACK_CONDEMNED                                                             \
  "EXISTS (SELECT 1 FROM fact f WHERE f.kind = 2 AND f.subject = p.name AND NOT EXISTS (" \
  "SELECT 1 FROM fact u WHERE u.kind = 3 AND u.subject = f.subject AND u.origin = f.origin))"
#define VGERFS_BLOCK_VOUCHED                                                             \
  "EXISTS (SELECT 1 FROM fact f WHERE f.kind = 6 AND f.subject = p.name AND f.origin = " \
  "p.digest AND (f.value = -1 OR f.value = b.id - p.first_block))"

bool is_fact(Database& database, FactKind kind, ByteView subject);

/// Not undone; of several records that remove a snapshot each. Throws corrupt if rows were changed,
/// like all below.
std::vector<SnapshotRemoval> read_removals(Database& database);
/// Not undone, of packs that are not buried.
std::vector<Condemnation> read_condemnations(Database& database);
/// Those that count, one for each snapshot and property.
std::vector<Annotation> read_annotations(Database& database);
std::vector<Revocation> read_revocations(Database& database);
std::vector<PackId> read_buried(Database& database);
std::vector<RecordId> read_superseded(Database& database);
/// Positions of a pack entry's blocks that were vouched for; `all` instead where all were.
struct VouchedBlocks {
  bool all = false;
  std::vector<std::uint32_t> blocks;
};
VouchedBlocks read_vouched(Database& database, const PackId& pack, const EntryDigest& entry);

/// All rows, whatever is undone or buried. Throws corrupt if rows were changed.
Facts read_all_facts(Database& database);

/// Compares every row with the sums.
void check_facts(Database& database);

}  // namespace vgerfs::repo
