// Daily copies of the server's database, for the day on which it is lost or damaged.
#pragma once

#include <cstddef>
#include <string>

#include "base/clock.h"
#include "base/sqlite.h"

namespace vgerfs::server {

/// So many copies are kept.
inline constexpr std::size_t kDatabaseCopies = 7;

/// Makes today's copy, "database-2026-11-20.sqlite", in a directory that is made if it is absent,
/// and deletes the oldest beyond the number that is kept. False if there is one of today already. A
/// copy is whole and durable under its name, or not there. While it is made nothing can be
/// committed.
bool copy_database_daily(Database& database, const std::string& directory, Timestamp now);

}  // namespace vgerfs::server
