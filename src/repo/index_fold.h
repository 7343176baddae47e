// Adds one record to the index cache's tables: a step of the fold that makes the repository's state
// of its records. The order of the steps does not matter:
//
// - claims: a union, with the greatest trust; facts (index_facts.h): a union;
// - a pack that several entries name (docs/FORMAT.md section 9.1): those of the most trusted
//   authors count. Entries that agree and have one author are one. Others of equal trust all count,
//   and readers fall through from one to the next: were one of them chosen, a stolen ingest key
//   could hide what the same client stored before;
// - entries of a buried pack never count;
// - what a revoked author signed and no full author carried over does not count.
#pragma once

#include <cstdint>
#include <vector>

#include "base/sqlite.h"
#include "repo/index_record.h"

namespace vgerfs::repo {

bool is_folded(Database& database, const RecordId& id);

/// Inside a write transaction, for a record that is not folded. Returns the prefixes of the chunks
/// that it added, as filter keys.
std::vector<std::uint64_t> fold_record(Database& database, const RecordId& id,
                                       const IndexRecord& record, std::uint64_t stored_bytes);

}  // namespace vgerfs::repo
