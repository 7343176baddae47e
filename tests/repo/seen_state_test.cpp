#include "repo/seen_state.h"

#include <fcntl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sqlite.h"
#include "repo/index_examples.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using examples::make_id;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

template <class IdType>
std::vector<IdType> make_ids(std::string_view word, std::uint64_t from, std::uint64_t to) {
  std::vector<IdType> ids;
  for (std::uint64_t i = from; i < to; ++i) ids.push_back(make_id<IdType>(word, i));
  std::sort(ids.begin(), ids.end());
  return ids;
}

class SeenStateTest : public ::testing::Test {
 protected:
  std::unique_ptr<SeenState> open() { return SeenState::open(directory_ / "state", kRepository); }
  std::string file() { return directory_ / "state/seen.sqlite"; }

  vgerfs::testing::TemporaryDirectory directory_;
};

TEST_F(SeenStateTest, NothingIsMissingAtFirst) {
  const auto seen = open();
  EXPECT_TRUE(seen->is_new());
  const auto missing = seen->missing({}, {});
  EXPECT_THAT(missing.records, IsEmpty());
  EXPECT_THAT(missing.snapshots, IsEmpty());
}

TEST_F(SeenStateTest, RemembersWhatItSawAcrossRuns) {
  const auto records = make_ids<RecordId>("r", 0, 3);
  const auto snapshots = make_ids<SnapshotId>("s", 0, 2);
  open()->add(records, snapshots);
  const auto seen = open();
  EXPECT_FALSE(seen->is_new());
  EXPECT_THAT(seen->missing(records, snapshots).records, IsEmpty());
  const auto missing = seen->missing({records[0], records[2]}, {snapshots[0]});
  EXPECT_THAT(missing.records, ElementsAre(records[1]));
  EXPECT_THAT(missing.snapshots, ElementsAre(snapshots[1]));
}

TEST_F(SeenStateTest, RecordsAndSnapshotsAreDifferentThings) {
  const auto seen = open();
  const auto records = make_ids<RecordId>("x", 0, 1);
  seen->add(records, {});
  EXPECT_THAT(seen->missing({}, {SnapshotId{records[0].bytes()}}).records, ElementsAre(records[0]));
}

TEST_F(SeenStateTest, WhatIsListedBesidesDoesNotMatter) {
  const auto seen = open();
  seen->add(make_ids<RecordId>("r", 100, 200), {});
  EXPECT_THAT(
      seen->missing(make_ids<RecordId>("r", 0, 300), make_ids<SnapshotId>("s", 0, 9)).records,
      IsEmpty());
}

TEST_F(SeenStateTest, FindsTheHolesAmongAHundredThousand) {
  const auto seen = open();
  auto records = make_ids<RecordId>("r", 0, 100'000);
  seen->add(records, {});
  const std::vector<RecordId> holes{records[0], records[5], records[50'000], records[99'999]};
  std::erase_if(records, [&](const RecordId& id) {
    return std::find(holes.begin(), holes.end(), id) != holes.end();
  });
  EXPECT_EQ(seen->missing(records, {}).records, holes);
  std::reverse(records.begin(), records.end());  // slower, not wrong
  EXPECT_EQ(seen->missing(records, {}).records, holes);
}

TEST_F(SeenStateTest, AnAcceptedRollbackIsForgotten) {
  const auto seen = open();
  const auto records = make_ids<RecordId>("r", 0, 3);
  const auto snapshots = make_ids<SnapshotId>("s", 0, 3);
  seen->add(records, snapshots);
  seen->forget({{records[1]}, {snapshots[2]}});
  const auto missing = seen->missing({}, {});
  EXPECT_THAT(missing.records, ElementsAre(records[0], records[2]));
  EXPECT_THAT(missing.snapshots, ElementsAre(snapshots[0], snapshots[1]));
}

TEST_F(SeenStateTest, RefusesAnotherRepository) {
  open()->add(make_ids<RecordId>("r", 0, 1), {});
  try {
    SeenState::open(directory_ / "state", make_id<RepositoryId>("another"));
    FAIL() << "opened";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::usage);
  }
  EXPECT_FALSE(open()->is_new());
}

TEST_F(SeenStateTest, ADamagedFileStartsAnewAndSaysSo) {
  open()->add(make_ids<RecordId>("r", 0, 1000), {});
  ASSERT_EQ(::truncate(file().c_str(), 10'000), 0);
  const auto seen = open();
  EXPECT_TRUE(seen->is_new());
  seen->add(make_ids<RecordId>("r", 0, 5), {});
  EXPECT_EQ(seen->missing({}, {}).records.size(), 5U);
}

TEST_F(SeenStateTest, DamageInTheMiddleIsAnErrorAndTheNextRunStartsAnew) {
  open()->add(make_ids<RecordId>("r", 0, 10'000), {});
  {
    const Fd fd = open_file(file(), O_RDWR);
    const Bytes rubbish(4096, std::byte{0x5a});
    for (std::uint64_t page = 20; page < 60; ++page)
      write_all_at(fd.get(), rubbish, page * 4096, file());
  }
  try {
    open()->missing({}, {});
    FAIL() << "answered";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
    EXPECT_FALSE(error.hint().empty());
  }
  EXPECT_TRUE(open()->is_new());
}

// A flipped bit would be a false alarm, or hide a true one.
TEST_F(SeenStateTest, AChangedRowIsDamageNotARollback) {
  const auto records = make_ids<RecordId>("r", 0, 10);
  for (const char* sql :
       {"UPDATE seen SET name = randomblob(32) WHERE name = (SELECT min(name) FROM seen)",
        "DELETE FROM seen WHERE name = (SELECT min(name) FROM seen)", "DELETE FROM total"}) {
    {
      const auto seen = open();
      seen->add(records, {});
      EXPECT_THAT(seen->missing(records, {}).records, IsEmpty());
    }
    Database{file(), {}}.execute(sql);
    try {
      open()->missing(records, {});
      FAIL() << sql;
    } catch (const Error& error) {
      EXPECT_EQ(error.code(), ErrorCode::corrupt);
    }
    EXPECT_TRUE(open()->is_new());
  }
}

TEST_F(SeenStateTest, TwoProcessesAddAtTheSameTime) {
  std::vector<pid_t> children;
  for (int child = 0; child < 2; ++child) {
    const pid_t pid = ::fork();
    ASSERT_GE(pid, 0);
    if (pid == 0) {
      try {
        const auto seen = open();
        for (std::uint64_t i = 0; i < 20; ++i) {
          seen->add(make_ids<RecordId>(child == 0 ? "a" : "b", i * 10, i * 10 + 10), {});
        }
        ::_exit(0);
      } catch (const std::exception& error) {
        std::fprintf(stderr, "child: %s\n", error.what());
        ::_exit(1);
      }
    }
    children.push_back(pid);
  }
  for (const pid_t pid : children) {
    int status = 0;
    ASSERT_EQ(::waitpid(pid, &status, 0), pid);
    EXPECT_EQ(status, 0);
  }
  EXPECT_EQ(open()->missing({}, {}).records.size(), 400U);
}

}  // namespace
}  // namespace vgerfs::repo
