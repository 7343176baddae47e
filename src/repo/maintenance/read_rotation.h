// Which packs a check reads next: this client remembers when it read each, so that shares add up to
// the whole.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/ids.h"
#include "base/sqlite.h"

namespace vgerfs::repo {

/// SQLite database `directory`/reads.sqlite. Deleting it starts the rotation anew. One thread.
class ReadRotation {
 public:
  /// Opens it, or makes it; a damaged one is made anew.
  ReadRotation(const std::string& directory, const RepositoryId& repository);

  struct Pack {
    PackId id;
    std::uint64_t stored_bytes = 0;
  };
  /// Of `packs` those to read, in this order, up to the first with which they have `budget_bytes`:
  /// what was bad, what was never read, what was read longest ago. Forgets all other packs.
  std::vector<PackId> choose(std::vector<Pack> packs, std::uint64_t budget_bytes);

  /// Told of each pack that was read. Kept durably now and then, and at the end.
  void note(const PackId& id, bool good);
  void keep();
  /// Packs that were bad when they were last read.
  std::vector<PackId> bad_packs();

 private:
  struct Reading {
    PackId id;
    bool good = false;
  };

  std::unique_ptr<Database> database_;
  std::int64_t run_ = 0;
  std::vector<Reading> noted_;
};

}  // namespace vgerfs::repo
