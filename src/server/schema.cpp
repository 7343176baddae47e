#include "server/schema.h"

#include <cstdint>

#include <fmt/format.h>

#include "base/error.h"

namespace vgerfs::server {
namespace {

constexpr std::int64_t kVersion = 4;

constexpr const char* kSchema = R"(
CREATE TABLE repositories(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  created_at INTEGER NOT NULL,
  last_backup_at INTEGER,
  sequence INTEGER NOT NULL DEFAULT 0,
  chain BLOB NOT NULL) STRICT;
CREATE TABLE objects(
  repository INTEGER NOT NULL,
  type TEXT NOT NULL,
  name BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  token INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  stored_at_ns INTEGER NOT NULL,
  PRIMARY KEY(repository, type, name)) STRICT, WITHOUT ROWID;
CREATE TABLE trash(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  repository INTEGER NOT NULL,
  type TEXT NOT NULL,
  name BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  removed_at INTEGER NOT NULL,
  file TEXT NOT NULL UNIQUE) STRICT;
CREATE INDEX trash_by_time ON trash(removed_at);
CREATE TABLE totals(
  repository INTEGER NOT NULL,
  token INTEGER NOT NULL,
  type TEXT NOT NULL,
  objects INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY(repository, token, type)) STRICT, WITHOUT ROWID;
CREATE TRIGGER object_added AFTER INSERT ON objects BEGIN
  INSERT INTO totals VALUES(new.repository, new.token, new.type, 1, new.bytes)
    ON CONFLICT DO UPDATE SET objects = objects + 1, bytes = bytes + excluded.bytes;
END;
CREATE TRIGGER object_removed AFTER DELETE ON objects BEGIN
  UPDATE totals SET objects = objects - 1, bytes = bytes - old.bytes
    WHERE repository = old.repository AND token = old.token AND type = old.type;
END;
CREATE TABLE tokens(
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  name TEXT NOT NULL UNIQUE,
  hash BLOB NOT NULL UNIQUE,
  repositories TEXT NOT NULL,
  role TEXT NOT NULL,
  quota_bytes INTEGER NOT NULL,
  created_at INTEGER NOT NULL,
  expires_at INTEGER,
  revoked_at INTEGER) STRICT;
)";

/// What version 3 brought: the history of changes, leases, and when objects were read again. A
/// repository's history begins with a number of its own, so that one that is made anew under an old
/// name is told from it.
constexpr const char* kChangesSchema = R"(
CREATE TABLE changes(
  repository INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  is_added INTEGER NOT NULL,
  type TEXT NOT NULL,
  name BLOB NOT NULL,
  bytes INTEGER NOT NULL,
  stored_at_ns INTEGER NOT NULL,
  at INTEGER NOT NULL,
  token TEXT NOT NULL,
  chain_before BLOB NOT NULL,
  PRIMARY KEY(repository, sequence)) STRICT, WITHOUT ROWID;
ALTER TABLE objects ADD COLUMN checked_at INTEGER NOT NULL DEFAULT 0;
CREATE TABLE scrubs(
  repository INTEGER PRIMARY KEY,
  last_type TEXT,
  last_name BLOB,
  began_at INTEGER,
  complete_since INTEGER) STRICT;
CREATE TABLE damages(
  repository INTEGER NOT NULL,
  type TEXT NOT NULL,
  name BLOB NOT NULL,
  found_at INTEGER NOT NULL,
  problem TEXT NOT NULL,
  PRIMARY KEY(repository, type, name)) STRICT, WITHOUT ROWID;
CREATE TRIGGER damage_removed AFTER DELETE ON objects BEGIN
  DELETE FROM damages
    WHERE repository = old.repository AND type = old.type AND name = old.name;
END;
ALTER TABLE repositories ADD COLUMN last_fence INTEGER NOT NULL DEFAULT 0;
CREATE TABLE leases(
  repository INTEGER NOT NULL,
  id BLOB NOT NULL,
  fence INTEGER NOT NULL,
  is_exclusive INTEGER NOT NULL,
  ttl_s INTEGER NOT NULL,
  token INTEGER NOT NULL,
  token_name TEXT NOT NULL,
  made_at INTEGER NOT NULL,
  is_over INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY(repository, id)) STRICT, WITHOUT ROWID;
CREATE TRIGGER lease_ended AFTER DELETE ON objects WHEN old.type = 'locks' BEGIN
  DELETE FROM leases WHERE repository = old.repository AND id = old.name;
END;
PRAGMA user_version = 3;
)";

constexpr const char* kSchemaFrom2 = R"(
ALTER TABLE repositories ADD COLUMN chain BLOB NOT NULL DEFAULT x'';
UPDATE repositories SET chain = randomblob(32);
)";

/// From version 1, which knew the second in which an object came.
constexpr const char* kSchemaFrom1 = R"(
ALTER TABLE objects RENAME COLUMN added_at TO stored_at_ns;
UPDATE objects SET stored_at_ns = stored_at_ns * 1000000000;
)";

/// What version 4 brought: answers to operations (server/operation_log.h).
constexpr const char* kOperationsSchema = R"(
CREATE TABLE operations(
  repository INTEGER NOT NULL,
  id TEXT NOT NULL,
  request BLOB NOT NULL,
  answer TEXT NOT NULL,
  at INTEGER NOT NULL,
  PRIMARY KEY(repository, id)) STRICT, WITHOUT ROWID;
PRAGMA user_version = 4;
)";

}  // namespace

void make_schema(Database& database) {
  database.execute("PRAGMA journal_mode = DELETE");
  Transaction transaction{database, Transaction::Mode::write};
  std::int64_t version = 0;
  {
    auto row = database.query("PRAGMA user_version");
    if (row.step()) version = row.integer(0);
  }
  if (version > kVersion) {
    throw Error{ErrorCode::unsupported,
                fmt::format("{} was made by a newer vgerfs-server", database.path())};
  }
  if (version == 0) database.execute(kSchema);
  if (version == 1) database.execute(kSchemaFrom1);
  if (version == 1 || version == 2) database.execute(kSchemaFrom2);
  if (version < 3) database.execute(kChangesSchema);
  if (version < 4) database.execute(kOperationsSchema);
  transaction.commit();
}

}  // namespace vgerfs::server
