// Removed objects, which wait in the trash until nobody can miss them any more. Each function wants
// a write transaction around it and leaves files so that a crash before the commit is settled at
// the next start.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "server/catalog.h"
#include "server/data_directory.h"

namespace vgerfs::server {

/// Puts an object back under its name, durably. Throws `exists` if the name is taken, not_found if
/// there is no such row, no_repository.
void restore_from_trash(const DataDirectory& directory, Catalog& catalog, std::int64_t id,
                        std::int64_t now);

/// Deletes for good; a file that is gone already is success.
void delete_from_trash(const DataDirectory& directory, Catalog& catalog, const TrashRow& row);

}  // namespace vgerfs::server
