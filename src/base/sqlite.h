// SQLite for the programs' own databases: connections, statements and transactions as RAII,
// failures as Error. No other file includes sqlite3.h.
//
//   Database db{path, {}};
//   Transaction transaction{db, Transaction::Mode::write};
//   db.query("INSERT INTO seen(name) VALUES (?1)").bind(id.view()).run();
//   transaction.commit();
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include "base/bytes.h"
#include "base/ids.h"

struct sqlite3;
struct sqlite3_stmt;

namespace vgerfs {

/// A prepared statement in use; goes back to its Database, reset, when it is destroyed. Views of
/// columns are valid until the next step. Throws corrupt when a column is not what it must be: the
/// file is damaged.
class Statement {
 public:
  Statement(Statement&& other) noexcept : statement_(std::exchange(other.statement_, nullptr)) {}
  Statement& operator=(Statement&&) = delete;
  ~Statement();

  /// Binds ?1, ?2, … in order: integers, bool, text, ByteView, ids, arrays of bytes, or an optional
  /// of these (absent: NULL). Text and blobs must live until the next reset.
  template <class... Values>
  Statement& bind(const Values&... values) {
    int index = 0;
    (bind_one(++index, values), ...);
    return *this;
  }
  /// True: there is a row. False: done.
  bool step();
  /// Steps to the end and resets, so that the statement can be bound again.
  void run();
  void reset() noexcept;

  std::int64_t integer(int column) const;
  /// An integer within Integer's range.
  template <class Integer>
  Integer number(int column) const {
    const std::int64_t value = integer(column);
    if (!std::in_range<Integer>(value)) throw_damaged("a number is out of range");
    return static_cast<Integer>(value);
  }
  ByteView blob(int column) const;
  std::string_view text(int column) const;
  bool is_null(int column) const noexcept;
  template <class IdType>
  IdType id(int column) const {
    return IdType{array<IdType::kSize>(column)};
  }
  template <std::size_t N>
  std::array<std::byte, N> array(int column) const {
    const ByteView raw = blob(column);
    if (raw.size() != N) throw_damaged("a value has another length");
    std::array<std::byte, N> out;
    std::memcpy(out.data(), raw.data(), N);
    return out;
  }

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) noexcept : statement_(statement) {}

  template <class Value>
  void bind_one(int index, const Value& value) {
    if constexpr (std::is_integral_v<Value>) {
      bind_integer(index, static_cast<std::int64_t>(value));
    } else if constexpr (requires { value.has_value(); }) {
      if (value) bind_one(index, *value);  // a parameter without a value is NULL
    } else if constexpr (std::is_convertible_v<const Value&, std::string_view>) {
      bind_text(index, value);
    } else if constexpr (requires { value.view(); }) {
      bind_blob(index, value.view());
    } else {
      bind_blob(index, ByteView{value});
    }
  }
  void bind_integer(int index, std::int64_t value);
  void bind_blob(int index, ByteView value);
  void bind_text(int index, std::string_view value);
  [[noreturn]] void throw_damaged(std::string_view what) const;

  sqlite3_stmt* statement_;
};

/// What a commit survives: `normal` a crash of the program, and a power cut without damage but
/// perhaps without the last commits; `full` both whole; `extra` the same with a rollback journal
/// that is deleted, whose directory is synced then.
enum class Durability { normal, full, extra };

struct DatabaseOptions {
  Durability durability = Durability::normal;
  int cache_kib = 8 * 1024;  // page cache, an upper bound
};

/// One connection. One thread at a time; never across fork(2). Errors: busy, no_space, read_only,
/// corrupt, denied, io.
class Database {
 public:
  /// Opens `path`, or makes it with mode 0600. The journal is as the file says (WAL or DELETE).
  Database(const std::string& path, const DatabaseOptions& options);
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  const std::string& path() const noexcept { return path_; }
  /// Runs statements without parameters or rows: schema and pragmas.
  void execute(const char* sql);
  /// A statement, prepared once per connection. `sql` is a literal; one use of it at a time.
  Statement query(const char* sql);
  /// Rows that the last INSERT, UPDATE or DELETE changed.
  std::int64_t changed_rows() const noexcept;
  /// The rowid that the last INSERT made.
  std::int64_t last_row() const noexcept;
  /// Empties a file in place, however damaged it is: other connections stay safe, as they do not
  /// when it is deleted.
  static void make_empty(const std::string& path);

 private:
  friend class Statement;
  friend class Transaction;
  struct CloseConnection {
    void operator()(sqlite3* connection) const noexcept;
  };
  struct FinalizeStatement {
    void operator()(sqlite3_stmt* statement) const noexcept;
  };

  static std::unique_ptr<sqlite3, CloseConnection> open_connection(const std::string& path);

  std::string path_;
  std::unique_ptr<sqlite3, CloseConnection> connection_;
  std::unordered_map<std::string_view, std::unique_ptr<sqlite3_stmt, FinalizeStatement>>
      statements_;
};

/// Rolled back unless committed. A write transaction waits for other writers at its beginning,
/// never later.
class Transaction {
 public:
  enum class Mode { read, write };
  Transaction(Database& database, Mode mode);
  ~Transaction();
  Transaction(const Transaction&) = delete;
  Transaction& operator=(const Transaction&) = delete;

  void commit();

 private:
  Database* database_;  // null once committed
};

/// Connections to one database for many threads. Thread-safe. Must outlive its leases.
class DatabasePool {
 public:
  /// Keeps up to `keep` idle connections.
  DatabasePool(std::string path, const DatabaseOptions& options, std::size_t keep)
      : path_(std::move(path)), options_(options) {
    idle_.reserve(keep);
  }

  /// A connection for one thread; goes back when destroyed.
  class Lease {
   public:
    Lease(DatabasePool& pool, std::unique_ptr<Database> database) noexcept
        : pool_(&pool), database_(std::move(database)) {}
    Lease(Lease&&) noexcept = default;
    Lease& operator=(Lease&&) = delete;
    ~Lease();
    Database& operator*() const noexcept { return *database_; }
    Database* operator->() const noexcept { return database_.get(); }

   private:
    DatabasePool* pool_;
    std::unique_ptr<Database> database_;
  };
  Lease take();

 private:
  const std::string path_;
  const DatabaseOptions options_;
  std::mutex mutex_;
  std::vector<std::unique_ptr<Database>> idle_;  // guarded by mutex_; never beyond its capacity
};

}  // namespace vgerfs
