#include "repo/client_database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/log.h"

namespace vgerfs::repo {
namespace {

std::string marker_of(const std::string& path) { return path + ".discarded"; }

// Held while a database is opened: SQLite's own locks do not cover switching to WAL and making the
// schema.
Fd lock_opening(const std::string& path) {
  Fd fd = open_file(path + ".lock", O_RDWR | O_CREAT, 0600);
  while (::flock(fd.get(), LOCK_EX) != 0) {
    if (errno != EINTR) throw system_error(errno, "locking " + path);
  }
  return fd;
}

void make(Database& database, const DatabaseKind& kind, const RepositoryId& repository) {
  if (kind.shrinks) database.execute("PRAGMA auto_vacuum = INCREMENTAL");
  database.execute("PRAGMA journal_mode = WAL");
  Transaction transaction{database, Transaction::Mode::write};
  database.execute("CREATE TABLE meta(version INTEGER NOT NULL, repository BLOB NOT NULL) STRICT");
  database.execute(kind.schema);
  database.query("INSERT INTO meta VALUES (?1, ?2)").bind(kind.version, repository).run();
  transaction.commit();
}

enum class State { fresh, good, other };

State inspect(Database& database, const DatabaseKind& kind, const RepositoryId& repository) {
  {
    auto tables = database.query("SELECT count(*) FROM sqlite_schema");
    tables.step();
    if (tables.integer(0) == 0) return State::fresh;
  }
  auto meta = database.query("SELECT version, repository FROM meta");
  if (!meta.step())
    throw Error{ErrorCode::corrupt, "database " + database.path() + " says nothing of itself"};
  const auto version = meta.integer(0);
  const bool ours = meta.id<RepositoryId>(1) == repository;
  if (version == kind.version && ours) return State::good;
  if (kind.disposable) return State::other;
  if (!ours) {
    throw Error{ErrorCode::usage,
                fmt::format("the {} {} belongs to another repository", kind.name, database.path())};
  }
  throw Error{ErrorCode::unsupported,
              fmt::format("the {} {} has version {}, this program knows {}", kind.name,
                          database.path(), version, kind.version)};
}

// nullopt: it has to be made anew.
std::optional<OpenedDatabase> try_open(const std::string& path, const DatabaseOptions& options,
                                       const DatabaseKind& kind, const RepositoryId& repository) {
  try {
    OpenedDatabase opened{std::make_unique<Database>(path, options)};
    switch (inspect(*opened.database, kind, repository)) {
      case State::good: return opened;
      case State::other: return std::nullopt;
      case State::fresh:
        make(*opened.database, kind, repository);
        opened.made = true;
        return opened;
    }
    return std::nullopt;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
    log::warning("the {} is damaged and made anew ({})", kind.name, error.message());
    return std::nullopt;
  }
}

}  // namespace

OpenedDatabase open_client_database(const std::string& path, const DatabaseOptions& options,
                                    const DatabaseKind& kind, const RepositoryId& repository) {
  const Fd lock = lock_opening(path);
  const std::string marker = marker_of(path);
  if (::access(marker.c_str(), F_OK) == 0) {
    log::warning("the {} {} was discarded and is made anew", kind.name, path);
    Database::make_empty(path);
    if (::unlink(marker.c_str()) != 0) throw system_error(errno, "removing " + marker);
  }
  auto opened = try_open(path, options, kind, repository);
  if (!opened) {
    Database::make_empty(path);
    opened = try_open(path, options, kind, repository);
    if (!opened)
      throw Error{ErrorCode::corrupt,
                  fmt::format("the {} {} cannot be made anew", kind.name, path)};
  }
  // A new file has to be found after a power cut, too.
  if (opened->made) sync_directory(std::filesystem::path(path).parent_path().string());
  return std::move(*opened);
}

void discard_database(const std::string& path) {
  open_file(marker_of(path), O_WRONLY | O_CREAT, 0600);
}

void note_damage(const std::string& path, const DatabaseKind& kind, Error& error) noexcept {
  if (error.code() != ErrorCode::corrupt) return;
  try {
    error.add_context(fmt::format("the client's {}", kind.name));
    discard_database(path);
    error.set_hint(
        "the repository is not affected: run the command again, it starts with a new one");
  } catch (const Error& failure) {
    log::error("{}", failure.message());
  } catch (const std::bad_alloc&) {  // the error stays as it is
  }
}

}  // namespace vgerfs::repo
