#include "repo/last_snapshot.h"

#include <sys/stat.h>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "repo/index_examples.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using examples::kRepository;
using examples::make_id;

crypto::Secret key(std::byte value = std::byte{1}) { return crypto::Secret{Bytes(32, value)}; }

LastSnapshot example() {
  LastSnapshot snapshot;
  snapshot.id = make_id<SnapshotId>("s");
  snapshot.time = {-5, 999'999'999};  // before 1970
  snapshot.root.set_type(format::proto::ENTRY_DIRECTORY);
  snapshot.root.set_mode(0755);
  snapshot.root.set_symlink_target("telling");
  snapshot.root.set_subtree(make_id<ChunkId>("t").raw());
  return snapshot;
}

class LastSnapshotTest : public ::testing::Test {
 protected:
  ErrorCode reading_throws(const crypto::Secret& with) {
    try {
      read_last_snapshot(path_, with, kRepository);
    } catch (const Error& error) {
      return error.code();
    }
    ADD_FAILURE() << "it was read";
    return ErrorCode::usage;
  }

  vgerfs::testing::TemporaryDirectory directory_;
  std::string path_ = directory_ / "last";
};

TEST_F(LastSnapshotTest, NoFileIsNoSnapshot) {
  EXPECT_FALSE(read_last_snapshot(path_, key(), kRepository).has_value());
}

TEST_F(LastSnapshotTest, ReadsWhatWasWritten) {
  write_last_snapshot(path_, example(), key(), kRepository);
  const auto read = read_last_snapshot(path_, key(), kRepository);
  ASSERT_TRUE(read.has_value());
  EXPECT_EQ(read->id, example().id);
  EXPECT_EQ(read->time, example().time);
  EXPECT_EQ(read->root.SerializeAsString(), example().root.SerializeAsString());
}

TEST_F(LastSnapshotTest, AWriteReplacesTheLast) {
  write_last_snapshot(path_, example(), key(), kRepository);
  LastSnapshot newer = example();
  newer.id = make_id<SnapshotId>("newer");
  write_last_snapshot(path_, newer, key(), kRepository);
  EXPECT_EQ(read_last_snapshot(path_, key(), kRepository)->id, newer.id);
}

TEST_F(LastSnapshotTest, IsSealedAndForItsOwnerOnly) {
  write_last_snapshot(path_, example(), key(), kRepository);
  EXPECT_EQ(text_of(read_whole_file(path_, 1 << 20)).find("telling"), std::string_view::npos);
  EXPECT_EQ(reading_throws(key(std::byte{2})), ErrorCode::corrupt);
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 0777U, 0600U);
}

TEST_F(LastSnapshotTest, DamageIsCorruptNotAbsence) {
  write_last_snapshot(path_, example(), key(), kRepository);
  const Bytes good = read_whole_file(path_, 1 << 20);
  for (std::size_t at = 0; at < good.size(); ++at) {
    Bytes bad = good;
    bad[at] ^= std::byte{0x10};
    replace_file(path_, bad, 0600);
    ASSERT_EQ(reading_throws(key()), ErrorCode::corrupt) << at;
    replace_file(path_, ByteView{good}.first(at), 0600);
    ASSERT_EQ(reading_throws(key()), ErrorCode::corrupt) << at;
  }
}

}  // namespace
}  // namespace vgerfs::repo
