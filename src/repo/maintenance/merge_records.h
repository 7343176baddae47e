// Replaces many small index records by few: the fold stays what it is, opening a repository for the
// first time gets cheaper.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_set>
#include <vector>

#include "repo/maintenance/exclusive_lease.h"
#include "repo/repository.h"

namespace vgerfs::repo {

/// Publishes records that carry over everything that `records` say (but entries of buried packs)
/// and supersede them. Returns how many were replaced. Records that are gone or cannot be read are
/// left out. Nothing is deleted.
std::uint64_t merge_records(Repository& repository, const ExclusiveLease& lease,
                            const std::vector<RecordId>& records);

/// Tells whether superseded records can go: every entry and fact of theirs is also said by records
/// that are in the store and not superseded themselves.
class Successors {
 public:
  /// Reads the records that supersede others.
  explicit Successors(Repository& repository);
  bool carry_over(const RecordId& id) const;

 private:
  bool say(const Certificate& author, const std::vector<PackDescription>& packs) const;

  Repository& repository_;
  std::unordered_set<RecordId> in_force_;  // and in the store
  std::unordered_set<std::string> facts_;  // of those that supersede others, as bytes
};

}  // namespace vgerfs::repo
