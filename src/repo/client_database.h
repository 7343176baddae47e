// How the client's databases (index cache, seen state, tree store) are opened: made when new,
// refused or made anew when they are damaged or of another version.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "base/error.h"
#include "base/ids.h"
#include "repo/sqlite.h"

namespace vgerfs::repo {

struct DatabaseKind {
  const char* name;      // for messages: "index cache"
  const char* schema;    // statements that make its tables
  std::int64_t version;  // of the schema
  bool disposable;       // one of another version or repository is made anew, else refused
  bool shrinks = false;  // rows are removed in bulk: allow PRAGMA incremental_vacuum
};

struct OpenedDatabase {
  std::unique_ptr<Database> database;
  bool made = false;  // just now: it is empty
};

/// Opens `path`, whose directory exists. A damaged file is made anew, with a warning in the log; so
/// is one that was marked. Throws unsupported for a newer version and usage for another repository
/// if the kind is not disposable. Processes that open one at the same time wait for each other.
OpenedDatabase open_client_database(const std::string& path, const DatabaseOptions& options,
                                    const DatabaseKind& kind, const RepositoryId& repository);

/// Has the next open_client_database make the file anew. For damage that shows in the middle of
/// work: to empty it then would make others take absence for truth.
void discard_database(const std::string& path);

/// Discards the database if the error says corrupt, and tells the user what happens next.
void note_damage(const std::string& path, const DatabaseKind& kind, Error& error) noexcept;

/// Runs work on an open database; damage that it finds is noted. Callbacks of the caller do not
/// belong into `work`.
template <class Work>
decltype(auto) watch_damage(const std::string& path, const DatabaseKind& kind, Work work) {
  try {
    return work();
  } catch (Error& error) {
    note_damage(path, kind, error);
    throw;
  }
}

}  // namespace vgerfs::repo
