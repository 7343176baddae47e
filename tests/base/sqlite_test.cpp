#include "base/sqlite.h"

#include <sys/stat.h>

#include <filesystem>
#include <functional>
#include <thread>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "support/error_of.h"
#include "support/temporary_directory.h"

namespace vgerfs {
namespace {

using vgerfs::testing::code_of;
class SqliteTest : public ::testing::Test {
 protected:
  void make_table() { database_.execute("CREATE TABLE t(a INTEGER, b BLOB) STRICT"); }
  std::int64_t count(Database& database) {
    auto row = database.query("SELECT count(*) FROM t");
    EXPECT_TRUE(row.step());
    return row.integer(0);
  }
  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "db";
  Database database_{path_, {}};
};

TEST_F(SqliteTest, GivesBackWhatWasBound) {
  make_table();
  const std::array<std::byte, 3> raw{std::byte{1}, std::byte{0}, std::byte{3}};
  database_.query("INSERT INTO t VALUES (?1, ?2)").bind(-5, raw).run();
  auto row = database_.query("SELECT a, b FROM t");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.integer(0), -5);
  EXPECT_EQ(row.array<3>(1), raw);
  EXPECT_FALSE(row.step());
}

TEST_F(SqliteTest, AnEmptyBlobIsNotNull) {
  make_table();
  database_.query("INSERT INTO t VALUES (?1, ?2)").bind(1, ByteView{}).run();
  auto row = database_.query("SELECT b FROM t");
  ASSERT_TRUE(row.step());
  EXPECT_TRUE(row.blob(0).empty());
}

TEST_F(SqliteTest, AColumnThatIsNotWhatItMustBeIsDamage) {
  database_.execute("CREATE TABLE t(a, b); INSERT INTO t VALUES ('x', NULL), (-1, x'0102')");
  auto row = database_.query("SELECT a, b FROM t ORDER BY rowid");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(code_of([&] { row.integer(0); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { row.blob(1); }), ErrorCode::corrupt);
  ASSERT_TRUE(row.step());
  EXPECT_EQ(code_of([&] { row.number<std::uint32_t>(0); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { row.array<3>(1); }), ErrorCode::corrupt);
}

TEST_F(SqliteTest, AStatementIsReadyForUseAgainAfterEachUse) {
  make_table();
  for (int i = 0; i < 3; ++i) {
    database_.query("INSERT INTO t VALUES (?1, ?2)").bind(i, ByteView{}).run();
    auto row = database_.query("SELECT a FROM t ORDER BY a DESC");
    ASSERT_TRUE(row.step());  // not stepped to its end
    EXPECT_EQ(row.integer(0), i);
  }
}

TEST_F(SqliteTest, WhatIsNotCommittedIsRolledBack) {
  make_table();
  {
    const Transaction transaction{database_, Transaction::Mode::write};
    database_.execute("INSERT INTO t VALUES (1, x'')");
    EXPECT_EQ(count(database_), 1);
  }
  EXPECT_EQ(count(database_), 0);
  {
    Transaction transaction{database_, Transaction::Mode::write};
    database_.execute("INSERT INTO t VALUES (1, x'')");
    transaction.commit();
  }
  EXPECT_EQ(count(database_), 1);
}

TEST_F(SqliteTest, AReaderSeesOneStateThroughoutItsTransaction) {
  database_.execute("PRAGMA journal_mode = WAL");
  make_table();
  Database other{path_, {}};
  const Transaction transaction{other, Transaction::Mode::read};
  EXPECT_EQ(count(other), 0);
  database_.execute("INSERT INTO t VALUES (1, x'')");
  EXPECT_EQ(count(other), 0);
  EXPECT_EQ(count(database_), 1);
}

TEST_F(SqliteTest, FailuresHaveTheCodeOfTheNextStep) {
  make_table();
  database_.execute("PRAGMA max_page_count = 3");
  EXPECT_EQ(code_of([&] { database_.execute("INSERT INTO t VALUES (1, zeroblob(100000))"); }),
            ErrorCode::no_space);
  database_.execute("PRAGMA query_only = ON");
  EXPECT_EQ(code_of([&] { database_.execute("INSERT INTO t VALUES (1, x'')"); }),
            ErrorCode::read_only);
  EXPECT_EQ(code_of([&] { database_.query("SELECT nothing FROM nowhere"); }), ErrorCode::corrupt);
  EXPECT_EQ(code_of([&] { Database{directory_ / "no/such/place", {}}; }), ErrorCode::not_found);
  replace_file(directory_ / "text", bytes_of(std::string(5000, 'x')), 0600);
  EXPECT_EQ(code_of([&] {
              Database{directory_ / "text", {}}.execute("SELECT * FROM t");
            }),
            ErrorCode::corrupt);
}

TEST_F(SqliteTest, ASecondWriterWaitsThenIsBusy) {
  make_table();
  Database other{path_, {}};
  other.execute("PRAGMA busy_timeout = 20");
  const Transaction transaction{database_, Transaction::Mode::write};
  EXPECT_EQ(code_of([&] { Transaction{other, Transaction::Mode::write}; }), ErrorCode::busy);
}

TEST_F(SqliteTest, ADatabaseIsMadeForItsOwnerOnly) {
  const mode_t old = ::umask(0);
  Database{directory_ / "private", {}}.execute("CREATE TABLE t(a)");
  ::umask(old);
  struct stat status {};
  ASSERT_EQ(::stat((directory_ / "private").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(SqliteTest, AnyFileCanBeMadeEmptyUnderAnOpenConnection) {
  database_.execute("PRAGMA journal_mode = WAL");
  make_table();
  database_.execute("INSERT INTO t VALUES (1, x'')");
  Database::make_empty(path_);
  EXPECT_EQ(code_of([&] { count(database_); }), ErrorCode::corrupt);
  Database{path_, {}}.execute("CREATE TABLE t(a INTEGER, b BLOB) STRICT");
  EXPECT_EQ(count(database_), 0);
}

TEST_F(SqliteTest, TextAndAbsentValuesComeBack) {
  database_.execute("CREATE TABLE words(word TEXT, number INTEGER) STRICT");
  database_.query("INSERT INTO words VALUES (?1, ?2)")
      .bind(std::string{"it's; --"}, std::optional<int>{})
      .run();
  EXPECT_EQ(database_.changed_rows(), 1);
  EXPECT_EQ(database_.last_row(), 1);
  auto row = database_.query("SELECT word, number FROM words");
  ASSERT_TRUE(row.step());
  EXPECT_EQ(row.text(0), "it's; --");
  EXPECT_TRUE(row.is_null(1));
  EXPECT_EQ(code_of([&] { row.text(1); }), ErrorCode::corrupt);
}

TEST_F(SqliteTest, APoolGivesEveryThreadAConnectionOfItsOwn) {
  make_table();
  DatabasePool pool{path_, {}, 2};
  const auto one = pool.take();
  const auto two = pool.take();
  const auto three = pool.take();
  EXPECT_NE(&*one, &*two);
  EXPECT_NE(&*two, &*three);
  const Database* last = nullptr;
  {
    const auto lease = pool.take();
    last = &*lease;
  }
  EXPECT_EQ(&*pool.take(), last) << "an idle one is used again";
}

}  // namespace
}  // namespace vgerfs
