#include "repo/fingerprints.h"

#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <random>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/log.h"
#include "repo/index_examples.h"
#include "support/temporary_directory.h"
#include "support/test_seed.h"

namespace vgerfs::repo {
namespace {

using examples::make_id;

const SnapshotId kSnapshot = make_id<SnapshotId>("s");

class FingerprintsTest : public ::testing::Test {
 protected:
  void write(const std::vector<Fingerprint>& rows) {
    FingerprintWriter writer;
    for (const auto& row : rows) writer.add(row.path_hash, row.stat_hash);
    writer.write(path_, kSnapshot);
  }
  std::unique_ptr<FileFingerprints> open() { return FileFingerprints::open(path_, kSnapshot); }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "files";
};

TEST_F(FingerprintsTest, MatchesWhatWasWrittenAndNothingElse) {
  std::mt19937_64 random{vgerfs::testing::test_seed()};
  for (const std::size_t count : {std::size_t{1}, std::size_t{100}, std::size_t{50'000}}) {
    std::vector<Fingerprint> rows;
    for (std::size_t i = 0; i < count; ++i) rows.push_back({random(), random()});
    write(rows);
    const auto fingerprints = open();
    EXPECT_EQ(fingerprints->size(), count);
    for (const auto& row : rows) {
      EXPECT_TRUE(fingerprints->matches(row.path_hash, row.stat_hash));
      EXPECT_FALSE(fingerprints->matches(row.path_hash, row.stat_hash + 1));
      EXPECT_FALSE(fingerprints->matches(row.path_hash + 1, row.stat_hash));
    }
  }
}

TEST_F(FingerprintsTest, HashesThatAreNotSpreadEvenlyAreFoundToo) {
  std::vector<Fingerprint> rows;
  for (std::uint64_t i = 0; i < 5000; ++i) rows.push_back({i, i});
  rows.push_back({~std::uint64_t{0}, 1});
  write(rows);
  const auto fingerprints = open();
  for (const auto& row : rows) EXPECT_TRUE(fingerprints->matches(row.path_hash, row.stat_hash));
  EXPECT_FALSE(fingerprints->matches(5000, 5000));
  EXPECT_FALSE(fingerprints->matches(~std::uint64_t{0}, 2));
}

TEST_F(FingerprintsTest, TwoPathsWithOneHashBothMatch) {
  write({{1, 2}, {1, 3}});
  EXPECT_TRUE(open()->matches(1, 2));
  EXPECT_TRUE(open()->matches(1, 3));
  EXPECT_FALSE(open()->matches(1, 4));
}

TEST_F(FingerprintsTest, NoneIsAFileToo) {
  write({});
  EXPECT_EQ(open()->size(), 0U);
  EXPECT_FALSE(open()->matches(0, 0));
}

TEST_F(FingerprintsTest, AnAbsentFileMatchesNothing) { EXPECT_FALSE(open()->matches(1, 2)); }

TEST_F(FingerprintsTest, AnotherSnapshotsFingerprintsMatchNothing) {
  write({{1, 2}});
  EXPECT_FALSE(FileFingerprints::open(path_, make_id<SnapshotId>("t"))->matches(1, 2));
  EXPECT_TRUE(open()->matches(1, 2));
}

TEST_F(FingerprintsTest, ReplacingTheFileLeavesAnOpenOneAlone) {
  write({{1, 2}});
  const auto old = open();
  write({{3, 4}});
  EXPECT_TRUE(old->matches(1, 2));
  EXPECT_TRUE(open()->matches(3, 4));
  EXPECT_FALSE(open()->matches(1, 2));
}

// A wrong match leaves a changed file out of the backup.
TEST_F(FingerprintsTest, NoFlippedBitAndNoTruncationEverMatches) {
  write({{1, 2}, {3, 4}});
  const Bytes good = read_whole_file(path_, 4096);
  log::set_level(log::Level::error);  // each is a warning
  for (std::size_t bit = 0; bit < good.size() * 8; ++bit) {
    Bytes bad = good;
    bad[bit / 8] ^= static_cast<std::byte>(1U << (bit % 8));
    replace_file(path_, bad, 0600);
    ASSERT_EQ(open()->size(), 0U) << "bit " << bit;
  }
  for (std::size_t size = 0; size < good.size(); ++size) {
    replace_file(path_, ByteView{good}.first(size), 0600);
    ASSERT_EQ(open()->size(), 0U) << "size " << size;
  }
  Bytes longer = good;
  longer.resize(longer.size() + sizeof(Fingerprint));
  replace_file(path_, longer, 0600);
  EXPECT_EQ(open()->size(), 0U);
}

TEST_F(FingerprintsTest, AFailedWriteLeavesTheOldFileAndNothingElse) {
  write({{1, 2}});
  std::filesystem::create_directory(path_ + "-directory");
  FingerprintWriter writer;
  EXPECT_THROW(writer.write(path_ + "/inside-a-file", kSnapshot), Error);
  EXPECT_THROW(writer.write(path_ + "-directory", kSnapshot), Error);
  EXPECT_TRUE(open()->matches(1, 2));
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator{directory_.path()}, {}), 2);
}

}  // namespace
}  // namespace vgerfs::repo
