// Takes what lies in a repository's directory into the database: for repositories that were made by
// others than the server, or changed behind its back.
#pragma once

#include <cstddef>
#include <cstdint>

#include "server/catalog.h"
#include "server/repository_files.h"

namespace vgerfs::server {

struct ScanResult {
  std::size_t objects = 0;  ///< in the directory
  std::size_t added = 0;    ///< that the database did not know
  std::size_t removed = 0;  ///< that the database knew and the directory has not
};

/// Walks the whole directory; the rows are then as it is. Owners of known objects stay, new ones
/// have none. Within the caller's transaction, so that nothing changes meanwhile.
ScanResult scan_repository(const RepositoryFiles& files, Catalog& catalog, std::int64_t repository,
                           std::int64_t now);

}  // namespace vgerfs::server
