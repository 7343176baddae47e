#include "repo/client_database.h"

#include <unistd.h>

#include <functional>

#include <gtest/gtest.h>

#include "base/log.h"
#include "repo/index_examples.h"
#include "support/error_of.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using examples::make_id;
using vgerfs::testing::code_of;

constexpr const char* kSchema = "CREATE TABLE t(a INTEGER NOT NULL) STRICT";
constexpr DatabaseKind kCache{"test cache", kSchema, 3, true};
constexpr DatabaseKind kState{"test state", kSchema, 3, false};

class ClientDatabaseTest : public ::testing::Test {
 protected:
  ClientDatabaseTest() { log::set_level(log::Level::error); }
  ~ClientDatabaseTest() override { log::set_level(log::Level::warning); }

  std::unique_ptr<Database> open(const DatabaseKind& kind,
                                 const RepositoryId& repository = kRepository) {
    return open_client_database(path_, {}, kind, repository);
  }
  std::int64_t count() {
    const auto database = open(kCache);
    auto row = database->query("SELECT count(*) FROM t");
    row.step();
    return row.integer(0);
  }
  bool is_discarded() { return ::access((path_ + ".discarded").c_str(), F_OK) == 0; }
  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "db";
};

TEST_F(ClientDatabaseTest, KeepsItsRowsAndItsGeneration) {
  const auto generation = read_generation(*open(kCache));
  open(kCache)->execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(count(), 1);
  EXPECT_EQ(read_generation(*open(kCache)), generation);
}

TEST_F(ClientDatabaseTest, ACacheOfAnotherVersionOrRepositoryIsMadeAnew) {
  open(kCache)->execute("INSERT INTO t VALUES (1)");
  const auto generation = read_generation(*open(kCache));
  EXPECT_NE(read_generation(*open({"test cache", kSchema, 4, true})), generation);
  EXPECT_EQ(count(), 0);
  open(kCache)->execute("INSERT INTO t VALUES (1)");
  open(kCache, make_id<RepositoryId>("another"));
  EXPECT_EQ(count(), 0);
}

TEST_F(ClientDatabaseTest, StateOfAnotherVersionOrRepositoryIsRefusedAndKept) {
  open(kState)->execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(code_of([&] { open({"test state", kSchema, 4, false}); }), ErrorCode::unsupported);
  EXPECT_EQ(code_of([&] { open(kState, make_id<RepositoryId>("another")); }), ErrorCode::usage);
  EXPECT_EQ(count(), 1);
}

// A program was killed between making the file and making its tables.
TEST_F(ClientDatabaseTest, AnEmptyFileIsCompleted) {
  Database{path_, {}}.execute("PRAGMA journal_mode = WAL");
  EXPECT_EQ(count(), 0);
}

TEST_F(ClientDatabaseTest, ADiscardedOneIsMadeAnewOnce) {
  open(kState)->execute("INSERT INTO t VALUES (1)");
  discard_database(path_);
  EXPECT_EQ(count(), 0);
  open(kState)->execute("INSERT INTO t VALUES (1)");
  EXPECT_EQ(count(), 1);
}

TEST_F(ClientDatabaseTest, DamageThatShowsWhileItIsOpenedIsMendedByANewOne) {
  int attempts = 0;
  const int value = open_or_remake(path_, [&] {
    const auto database = open(kCache);
    if (++attempts == 1) {
      database->execute("INSERT INTO t VALUES (1)");
      throw Error{ErrorCode::corrupt, "a page is damaged"};
    }
    return 7;
  });
  EXPECT_EQ(value, 7);
  EXPECT_EQ(attempts, 2);
  EXPECT_EQ(count(), 0);
}

class DamageWatchTest : public ClientDatabaseTest {
 protected:
  DamageWatch watch_{path_, kCache, read_generation(*open(kCache))};
};

TEST_F(DamageWatchTest, AfterDamageNoMoreWorkIsDone) {
  EXPECT_EQ(watch_.run([] { return 5; }), 5);
  EXPECT_EQ(code_of([&] { watch_.run([] {
                            throw Error{ErrorCode::corrupt, "bad"};
                          }); }),
            ErrorCode::corrupt);
  EXPECT_TRUE(is_discarded());
  bool worked = false;
  EXPECT_EQ(code_of([&] { watch_.run([&] { worked = true; }); }), ErrorCode::corrupt);
  EXPECT_FALSE(worked);
}

TEST_F(DamageWatchTest, OtherErrorsAreNotDamage) {
  EXPECT_EQ(code_of([&] { watch_.run([] {
                            throw Error{ErrorCode::no_space, "full"};
                          }); }),
            ErrorCode::no_space);
  EXPECT_FALSE(is_discarded());
  EXPECT_EQ(watch_.run([] { return 5; }), 5);
}

// Another process made the database anew; what looked like damage was that.
TEST_F(DamageWatchTest, WorkIsRepeatedOnADatabaseThatWasMadeAnewMeanwhile) {
  discard_database(path_);
  open(kCache);
  int runs = 0;
  watch_.run([&] {
    if (++runs == 1) throw Error{ErrorCode::corrupt, "no such table"};
  });
  EXPECT_EQ(runs, 2);
  EXPECT_FALSE(is_discarded());
  EXPECT_THROW(watch_.run([] { throw Error{ErrorCode::corrupt, "bad"}; }), Error);
  EXPECT_TRUE(is_discarded()) << "this time it was damage";
}

}  // namespace
}  // namespace vgerfs::repo
