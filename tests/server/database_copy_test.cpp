#include "server/database_copy.h"

#include <filesystem>
#include <fstream>
#include <set>

#include <gtest/gtest.h>

#include "server/catalog.h"
#include "server/schema.h"
#include "store_world.h"
#include "support/temporary_directory.h"

namespace vgerfs::server {
namespace {

class DatabaseCopyTest : public ::testing::Test {
 protected:
  bool copy(int day) {
    bool made = false;
    Database reader{world_.directory.database_path(), {}};
    made = copy_database_daily(reader, copies_, {1'795'216'205 + day * 86400LL, 0});
    return made;
  }
  std::set<std::string> names() {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator{copies_}) {
      found.insert(entry.path().filename().string());
    }
    return found;
  }

  vgerfs::testing::TemporaryDirectory directory_;
  StoreWorld world_{directory_ / "data"};
  std::string copies_ = directory_ / "copies";
};

TEST_F(DatabaseCopyTest, IsMadeOncePerDayAndHoldsEverything) {
  const Repository repository = world_.repository();
  world_.put(repository, "some bytes");
  EXPECT_TRUE(copy(0));
  EXPECT_FALSE(copy(0));
  EXPECT_EQ(names(), std::set<std::string>{"database-2026-11-20.sqlite"});
  const std::string path = copies_ + "/database-2026-11-20.sqlite";
  EXPECT_EQ(std::filesystem::status(path).permissions(), std::filesystem::perms{0600});
  Database opened{path, {}};
  make_schema(opened);
  EXPECT_TRUE(Catalog{opened}.find_object(repository.id, object_of("some bytes")));
}

TEST_F(DatabaseCopyTest, SevenAreKept) {
  for (int day = 0; day < 9; ++day) EXPECT_TRUE(copy(day));
  EXPECT_EQ(names().size(), kDatabaseCopies);
  EXPECT_EQ(*names().begin(), "database-2026-11-22.sqlite") << "the oldest went";
}

TEST_F(DatabaseCopyTest, WhatACrashHasLeftIsInNobodysWay) {
  std::filesystem::create_directory(copies_);
  std::ofstream{copies_ + "/unfinished"} << "half of it";
  EXPECT_TRUE(copy(0));
  EXPECT_EQ(names().size(), 1U);
}

}  // namespace
}  // namespace vgerfs::server
