// The tables of the server's database. Who uses them: catalog.h, token_store.h, leases.h,
// operation_log.h.
#pragma once

#include "base/sqlite.h"

namespace vgerfs::server {

/// Makes the tables, or those that this version has and an older one had not. Throws unsupported if
/// a newer one made them.
void make_schema(Database& database);

}  // namespace vgerfs::server
