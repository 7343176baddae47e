// A pack in a repository's directory, as far as one sees it without a key.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "server/compaction_plan.h"
#include "server/repository_files.h"

namespace vgerfs::server {

/// Header and table; 4 bytes of memory per block. One thread at a time.
class PackFile {
 public:
  /// Throws corrupt if it is no pack, or none that is whole; unsupported for a newer format.
  explicit PackFile(OpenObject object);

  format::PackKind kind() const noexcept { return table_.kind; }
  std::uint64_t bytes() const noexcept { return object_.bytes; }
  /// Stored lengths of the blocks in the runs; nullopt if a run is not made of whole blocks.
  std::optional<std::vector<std::uint32_t>> block_bytes(const std::vector<BlockRun>& runs) const;
  /// Reads until `out` is full or the file ends.
  std::size_t read(std::uint64_t offset, MutableBytes out) const;

 private:
  const OpenObject object_;
  format::PackTable table_;
};

}  // namespace vgerfs::server
