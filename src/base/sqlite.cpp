#include "base/sqlite.h"

#include <sqlite3.h>
#include <sys/stat.h>

#include <cerrno>

#include "base/error.h"

namespace vgerfs {
namespace {

// How long a writer waits for another process's transaction: the largest index record takes a few
// seconds.
constexpr int kBusyTimeoutMs = 60'000;

ErrorCode code_of(int extended, int error_number) noexcept {
  switch (extended) {
    // The file ends in the middle of a page, or the file system says that it is damaged.
    case SQLITE_IOERR_SHORT_READ:
    case SQLITE_IOERR_CORRUPTFS:
    case SQLITE_IOERR_DATA: return ErrorCode::corrupt;
    default: break;
  }
  switch (extended & 0xff) {
    case SQLITE_FULL: return ErrorCode::no_space;
    case SQLITE_READONLY: return ErrorCode::read_only;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    // Our statements fit the tables that we made and never break a constraint: others are there.
    case SQLITE_ERROR:
    case SQLITE_CONSTRAINT:
    case SQLITE_MISMATCH:
    case SQLITE_TOOBIG: return ErrorCode::corrupt;
    case SQLITE_BUSY:
    case SQLITE_PROTOCOL:
    case SQLITE_LOCKED: return ErrorCode::busy;
    case SQLITE_PERM:
    case SQLITE_AUTH: return ErrorCode::denied;
    case SQLITE_INTERRUPT: return ErrorCode::interrupted;
    case SQLITE_CANTOPEN:
    case SQLITE_IOERR:
      return error_number == 0 ? ErrorCode::io : error_code_from_errno(error_number);
    default: return ErrorCode::io;
  }
}

[[noreturn]] void throw_error(sqlite3* connection, int result) {
  if (connection == nullptr) throw Error{ErrorCode::io, sqlite3_errstr(result)};
  const char* const file = sqlite3_db_filename(connection, "main");
  throw Error{
      code_of(sqlite3_extended_errcode(connection), sqlite3_system_errno(connection)),
      fmt::format("database {}: {}", file == nullptr ? "?" : file, sqlite3_errmsg(connection))};
}

void check(sqlite3* connection, int result) {
  if (result != SQLITE_OK) throw_error(connection, result);
}

// By mknod, not open: closing a descriptor of a database drops the locks that other connections of
// this process hold on it (POSIX locks). SQLite takes the mode of its other files from this one.
void make_private_file(const std::string& path) {
  if (::mknod(path.c_str(), S_IFREG | S_IRUSR | S_IWUSR, 0) != 0 && errno != EEXIST) {
    throw system_error(errno, "creating " + path);
  }
}

}  // namespace

Statement::~Statement() { reset(); }

void Statement::reset() noexcept {
  if (statement_ == nullptr) return;
  sqlite3_reset(statement_);
  sqlite3_clear_bindings(statement_);
}

bool Statement::step() {
  const int result = sqlite3_step(statement_);
  if (result == SQLITE_ROW) return true;
  if (result != SQLITE_DONE) throw_error(sqlite3_db_handle(statement_), result);
  return false;
}

void Statement::run() {
  while (step()) {
  }
  reset();
}

std::int64_t Statement::integer(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_INTEGER)
    throw_damaged("a number is missing");
  return sqlite3_column_int64(statement_, column);
}

ByteView Statement::blob(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_BLOB) throw_damaged("a value is missing");
  const void* const data = sqlite3_column_blob(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return {static_cast<const std::byte*>(data), data == nullptr ? 0 : size};
}

std::string_view Statement::text(int column) const {
  if (sqlite3_column_type(statement_, column) != SQLITE_TEXT) throw_damaged("a text is missing");
  const unsigned char* const data = sqlite3_column_text(statement_, column);
  const auto size = static_cast<std::size_t>(sqlite3_column_bytes(statement_, column));
  return {reinterpret_cast<const char*>(data), size};
}

bool Statement::is_null(int column) const noexcept {
  return sqlite3_column_type(statement_, column) == SQLITE_NULL;
}

void Statement::bind_integer(int index, std::int64_t value) {
  VGERFS_CHECK(sqlite3_bind_int64(statement_, index, value) == SQLITE_OK);
}

void Statement::bind_blob(int index, ByteView value) {
  // A null pointer would bind NULL.
  const void* const data = value.empty() ? static_cast<const void*>("") : value.data();
  const int result = sqlite3_bind_blob64(statement_, index, data, value.size(), SQLITE_STATIC);
  if (result != SQLITE_OK) throw_error(sqlite3_db_handle(statement_), result);
}

void Statement::bind_text(int index, std::string_view value) {
  const char* const data = value.empty() ? "" : value.data();
  const int result =
      sqlite3_bind_text64(statement_, index, data, value.size(), SQLITE_STATIC, SQLITE_UTF8);
  if (result != SQLITE_OK) throw_error(sqlite3_db_handle(statement_), result);
}

void Statement::throw_damaged(std::string_view what) const {
  const char* const file = sqlite3_db_filename(sqlite3_db_handle(statement_), "main");
  throw Error{ErrorCode::corrupt,
              fmt::format("database {}: {}", file == nullptr ? "?" : file, what)};
}

void Database::CloseConnection::operator()(sqlite3* connection) const noexcept {
  sqlite3_close_v2(connection);
}
void Database::FinalizeStatement::operator()(sqlite3_stmt* statement) const noexcept {
  sqlite3_finalize(statement);
}

std::unique_ptr<sqlite3, Database::CloseConnection> Database::open_connection(
    const std::string& path) {
  make_private_file(path);
  sqlite3* raw = nullptr;
  const int result =
      sqlite3_open_v2(path.c_str(), &raw,
                      SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, nullptr);
  std::unique_ptr<sqlite3, CloseConnection> connection{raw};
  check(raw, result);
  check(raw, sqlite3_busy_timeout(raw, kBusyTimeoutMs));
  return connection;
}

Database::Database(const std::string& path, const DatabaseOptions& options)
    : path_(path), connection_(open_connection(path)) {
  // The file may be damaged in any way: no trust in its schema, cells checked when a page is
  // loaded.
  check(connection_.get(),
        sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_DEFENSIVE, 1, nullptr));
  check(connection_.get(),
        sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, nullptr));
  execute("PRAGMA cell_size_check = ON");
  switch (options.durability) {
    case Durability::normal: execute("PRAGMA synchronous = NORMAL"); break;
    case Durability::full: execute("PRAGMA synchronous = FULL"); break;
    case Durability::extra: execute("PRAGMA synchronous = EXTRA"); break;
  }
  execute("PRAGMA secure_delete = OFF");
  execute("PRAGMA temp_store = MEMORY");
  execute("PRAGMA journal_size_limit = 67108864");
  // No mmap_size: a read error would be a SIGBUS instead of an Error.
  execute(fmt::format("PRAGMA cache_size = -{}", options.cache_kib).c_str());
}

Database::~Database() = default;

void Database::execute(const char* sql) {
  check(connection_.get(), sqlite3_exec(connection_.get(), sql, nullptr, nullptr, nullptr));
}

Statement Database::query(const char* sql) {
  auto& statement = statements_[sql];
  if (statement == nullptr) {
    sqlite3_stmt* prepared = nullptr;
    check(connection_.get(), sqlite3_prepare_v3(connection_.get(), sql, -1,
                                                SQLITE_PREPARE_PERSISTENT, &prepared, nullptr));
    statement.reset(prepared);
  }
  VGERFS_CHECK(sqlite3_stmt_busy(statement.get()) == 0);
  return Statement{statement.get()};
}

std::int64_t Database::changed_rows() const noexcept {
  return sqlite3_changes64(connection_.get());
}

std::int64_t Database::last_row() const noexcept {
  return sqlite3_last_insert_rowid(connection_.get());
}

void Database::make_empty(const std::string& path) {
  // The steps that SQLite's documentation of SQLITE_DBCONFIG_RESET_DATABASE prescribes. Reading the
  // schema may fail: then there is none to forget.
  const auto connection = open_connection(path);
  sqlite3_exec(connection.get(), "SELECT 1 FROM sqlite_schema", nullptr, nullptr, nullptr);
  check(connection.get(),
        sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_RESET_DATABASE, 1, nullptr));
  check(connection.get(), sqlite3_exec(connection.get(), "VACUUM", nullptr, nullptr, nullptr));
}

Transaction::Transaction(Database& database, Mode mode) : database_(&database) {
  database.query(mode == Mode::write ? "BEGIN IMMEDIATE" : "BEGIN").run();
}

Transaction::~Transaction() {
  if (database_ == nullptr) return;
  try {
    database_->query("ROLLBACK").run();
  } catch (...) {  // NOLINT(bugprone-empty-catch): SQLite has rolled back already
  }
}

void Transaction::commit() {
  database_->query("COMMIT").run();
  database_ = nullptr;
}

DatabasePool::Lease DatabasePool::take() {
  {
    const std::lock_guard lock{mutex_};
    if (!idle_.empty()) {
      Lease lease{*this, std::move(idle_.back())};
      idle_.pop_back();
      return lease;
    }
  }
  return {*this, std::make_unique<Database>(path_, options_)};
}

DatabasePool::Lease::~Lease() {
  if (database_ == nullptr) return;
  const std::lock_guard lock{pool_->mutex_};
  if (pool_->idle_.size() < pool_->idle_.capacity()) pool_->idle_.push_back(std::move(database_));
}

}  // namespace vgerfs
