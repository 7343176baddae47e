#include "repo/client_database.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <optional>

#include "base/fd.h"
#include "base/log.h"
#include "base/sha256.h"

namespace vgerfs::repo {
namespace {

constexpr const char* kDamageHint =
    "the repository is not affected: run the command again, it starts with a new one";

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
  database.execute(
      "CREATE TABLE meta(version INTEGER NOT NULL, repository BLOB NOT NULL, "
      "generation BLOB NOT NULL) STRICT");
  database.execute(kind.schema);
  database.query("INSERT INTO meta VALUES (?1, ?2, randomblob(16))")
      .bind(kind.version, repository)
      .run();
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
  if (!meta.step()) {
    throw Error{ErrorCode::corrupt, "database " + database.path() + " says nothing of itself"};
  }
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

// Null: it has to be made anew.
std::unique_ptr<Database> try_open(const std::string& path, const DatabaseOptions& options,
                                   const DatabaseKind& kind, const RepositoryId& repository) {
  try {
    auto database = std::make_unique<Database>(path, options);
    switch (inspect(*database, kind, repository)) {
      case State::good: return database;
      case State::other: return nullptr;
      case State::fresh:
        make(*database, kind, repository);
        // A new file has to be found after a power cut, too.
        sync_directory(std::filesystem::path(path).parent_path().string());
        return database;
    }
    return nullptr;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
    log::warning("the {} is damaged and made anew ({})", kind.name, error.message());
    return nullptr;
  }
}

}  // namespace

DatabaseGeneration read_generation(Database& database) {
  auto meta = database.query("SELECT generation FROM meta");
  if (!meta.step()) {
    throw Error{ErrorCode::corrupt, "database " + database.path() + " says nothing of itself"};
  }
  return meta.array<16>(0);
}

std::unique_ptr<Database> open_client_database(const std::string& path,
                                               const DatabaseOptions& options,
                                               const DatabaseKind& kind,
                                               const RepositoryId& repository) {
  const Fd lock = lock_opening(path);
  const std::string marker = marker_of(path);
  if (::access(marker.c_str(), F_OK) == 0) {
    log::warning("the {} {} was discarded and is made anew", kind.name, path);
    Database::make_empty(path);
    if (::unlink(marker.c_str()) != 0) throw system_error(errno, "removing " + marker);
  }
  auto database = try_open(path, options, kind, repository);
  if (database == nullptr) {
    Database::make_empty(path);
    database = try_open(path, options, kind, repository);
  }
  if (database == nullptr) {
    throw Error{ErrorCode::corrupt, fmt::format("the {} {} cannot be made anew", kind.name, path)};
  }
  return database;
}

std::uint64_t row_hash(std::initializer_list<ByteView> values) {
  Sha256 hash;
  for (const ByteView value : values) hash.update(value);
  const Sha256Digest digest = hash.finish();
  return ByteReader{digest, "a digest"}.u64();
}

void discard_database(const std::string& path) {
  open_file(marker_of(path), O_WRONLY | O_CREAT, 0600);
}

bool DamageWatch::was_remade() {
  // With the lock: who makes it anew may be in the middle of it.
  const Fd lock = lock_opening(path_);
  const std::lock_guard guard{mutex_};
  try {
    Database database{path_, {}};
    const DatabaseGeneration found = read_generation(database);
    return std::exchange(generation_, found) != found;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::corrupt) throw;
    return false;
  }
}

void DamageWatch::note(Error& error) noexcept {
  damaged_.store(true);
  try {
    error.add_context(fmt::format("the client's {}", kind_.name));
    error.set_hint(kDamageHint);
    discard_database(path_);
  } catch (const std::exception& failure) {
    log::error("cannot discard the damaged {}: {}", kind_.name, failure.what());
  }
}

void DamageWatch::throw_damaged() const {
  throw Error{ErrorCode::corrupt, fmt::format("the client's {} {} is damaged", kind_.name, path_),
              kDamageHint};
}

}  // namespace vgerfs::repo
