// SQLite's files in this process's memory, for tests that open thousands of databases: a system
// call for each page, even one of tmpfs, would cost more than all that the test is about.
#pragma once

#include <string>

namespace vgerfs::testing {

/// From now on every database of this process is kept in memory, with WAL, locks and several
/// connections as on a disk; nothing outlives the process. For tests of one process that do not
/// look at the files.
void keep_databases_in_memory();

/// Copies the closed databases below a directory to below another.
void copy_databases(const std::string& from, const std::string& to);
/// Forgets those below a directory; they are closed.
void drop_databases(const std::string& directory);

}  // namespace vgerfs::testing
