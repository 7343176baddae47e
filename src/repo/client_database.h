// How the client's databases (index cache, seen state, tree store) are opened, and what happens
// when they are damaged: they are made anew, at once when that shows while they are opened, else by
// the next who opens them.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <initializer_list>
#include <memory>
#include <mutex>
#include <string>
#include <type_traits>

#include "base/error.h"
#include "base/ids.h"
#include "base/sqlite.h"

namespace vgerfs::repo {

struct DatabaseKind {
  const char* name;      // for messages: "index cache"
  const char* schema;    // statements that make its tables
  std::int64_t version;  // of the schema
  bool disposable;       // one of another version or repository is made anew, else refused
  bool shrinks = false;  // rows are removed in bulk: allow PRAGMA incremental_vacuum
};

/// Random; a new one whenever the database is made anew.
using DatabaseGeneration = std::array<std::byte, 16>;
DatabaseGeneration read_generation(Database& database);

/// Opens `path`, whose directory exists, or makes it. A damaged or discarded file is made anew,
/// with a warning in the log. Throws unsupported for another version and usage for another
/// repository if the kind is not disposable. Processes that open one at the same time wait for each
/// other.
std::unique_ptr<Database> open_client_database(const std::string& path,
                                               const DatabaseOptions& options,
                                               const DatabaseKind& kind,
                                               const RepositoryId& repository);

/// Hash of a row's values, each of a fixed length. Databases keep the sums of their rows' hashes
/// (mod 2^64, so that the order does not matter): SQLite does not notice a flipped bit in a value,
/// which would otherwise pass for a rollback, or hide one.
std::uint64_t row_hash(std::initializer_list<ByteView> values);

/// Has the next open_client_database make the file anew. To empty it at once would make those who
/// use it take absence for truth.
void discard_database(const std::string& path);

/// What `open` gives, which opens the database at `path` and looks into it; if it finds damage
/// there, the same with a new one.
template <class Open>
std::invoke_result_t<Open> open_or_remake(const std::string& path, Open open) {
  try {
    return open();
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
  }
  discard_database(path);
  return open();
}

/// Runs work on an open database and notes damage: then the database is discarded, and no more work
/// is done on it. Thread-safe.
class DamageWatch {
 public:
  /// `kind` outlives this.
  DamageWatch(std::string path, const DatabaseKind& kind, const DatabaseGeneration& generation)
      : path_(std::move(path)), kind_(kind), generation_(generation) {}

  /// Callbacks of the caller do not belong into `work`: their errors would count as damage. It is
  /// run again if another process made the database anew under it.
  template <class Work>
  std::invoke_result_t<Work> run(Work work) {
    if (damaged_.load()) throw_damaged();
    try {
      return work();
    } catch (Error& error) {
      if (error.code() != ErrorCode::corrupt) throw;
      if (!was_remade()) {
        note(error);
        throw;
      }
    }
    return work();
  }

 private:
  bool was_remade();
  void note(Error& error) noexcept;
  [[noreturn]] void throw_damaged() const;

  const std::string path_;
  const DatabaseKind& kind_;
  std::atomic<bool> damaged_{false};
  std::mutex mutex_;
  DatabaseGeneration generation_;  // guarded by mutex_
};

}  // namespace vgerfs::repo
