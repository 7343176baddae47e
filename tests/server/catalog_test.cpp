#include "server/catalog.h"

#include <gtest/gtest.h>

#include "server/schema.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

TEST(Catalog, TakesOverADatabaseOfVersion1) {
  const vgerfs::testing::TemporaryDirectory directory;
  Database database{directory / "db", {}};
  // What version 1 differs in: whole seconds.
  database.execute(R"(
    CREATE TABLE repositories(
      id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, created_at INTEGER NOT NULL,
      last_backup_at INTEGER, sequence INTEGER NOT NULL DEFAULT 0) STRICT;
    INSERT INTO repositories VALUES(1, 'repo', 1764353500, 1764353550, 3);
    CREATE TABLE objects(
      repository INTEGER NOT NULL, type TEXT NOT NULL, name BLOB NOT NULL, bytes INTEGER NOT NULL,
      token INTEGER NOT NULL, sequence INTEGER NOT NULL, added_at INTEGER NOT NULL,
      PRIMARY KEY(repository, type, name)) STRICT, WITHOUT ROWID;
    INSERT INTO objects VALUES(1, 'data', zeroblob(32), 5, 7, 3, 1764353550);
    PRAGMA user_version = 1;)");
  make_schema(database);
  make_schema(database);  // once is enough
  const auto row = Catalog{database}.find_object(1, {ObjectType::pack, {}});
  ASSERT_TRUE(row);
  EXPECT_EQ(Catalog{database}.find_repository(1)->head.sequence, 3U);
  EXPECT_EQ(row->bytes, 5U);
  EXPECT_EQ(row->token, 7);
  EXPECT_EQ(row->sequence, 3);
  EXPECT_EQ(row->stored_at_ns, 1'764'353'550'000'000'000);
}

}  // namespace
}  // namespace vgerfs::server
