#include "repo/spool.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/fixed_random.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

using testing::FixedRandom;
using testing::random_bytes;
using testing::TemporaryDirectory;

/// The bytes of every unnamed file that this process has open below `directory`: what a thief of
/// the disk gets.
std::vector<Bytes> unnamed_files(const std::string& directory, bool write_zero = false) {
  std::vector<Bytes> out;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd")) {
    std::error_code error;
    const std::string target = std::filesystem::read_symlink(entry.path(), error).string();
    if (error || target.rfind(directory, 0) != 0 || target.find("(deleted)") == std::string::npos)
      continue;
    const Fd fd = open_file(entry.path().string(), write_zero ? O_RDWR : O_RDONLY);
    struct stat status {};
    EXPECT_EQ(::fstat(fd.get(), &status), 0);
    Bytes bytes(static_cast<std::size_t>(status.st_size));
    read_at(fd.get(), bytes, 0, target);
    if (write_zero) write_all_at(fd.get(), Bytes(bytes.size()), 0, target);
    out.push_back(std::move(bytes));
  }
  return out;
}

TEST(Spool, GivesBackWhatItKept) {
  const TemporaryDirectory directory;
  FixedRandom random{1};
  Spool spool{directory.path(), 16 << 20, random};
  const auto small = spool.append(bytes_of("x"));
  const Bytes large_bytes = random_bytes(2, Spool::kMaxRecordBytes);
  const auto large = spool.append(large_bytes);
  ASSERT_TRUE(small && large);
  EXPECT_EQ(text_of(small->read()), "x");
  EXPECT_EQ(large->read(), large_bytes);
  EXPECT_TRUE(std::filesystem::is_empty(directory.path())) << "the spool has no name";
}

TEST(Spool, NeverHoldsPlaintextAndNeverRepeatsAKeystream) {
  const TemporaryDirectory directory;
  const std::string secret(8192, 'S');
  std::set<Bytes> sealed;
  // A random source that repeats itself must not show: two spools, twice the same content in each.
  for (int i = 0; i < 2; ++i) {
    auto random = FixedRandom::constant(std::byte{7});
    Spool spool{directory.path(), 1 << 20, random};
    const auto first = spool.append(bytes_of(secret));
    const auto second = spool.append(bytes_of(secret));
    const auto files = unnamed_files(directory.path());
    ASSERT_EQ(files.size(), 1U);
    EXPECT_EQ(text_of(files[0]).find("SSSSSSSS"), std::string_view::npos);
    for (std::size_t at = 0; at < files[0].size(); at += 4096) {
      EXPECT_TRUE(sealed
                      .insert({files[0].begin() + static_cast<std::ptrdiff_t>(at),
                               files[0].begin() + static_cast<std::ptrdiff_t>(at + 4096)})
                      .second)
          << "two pages of ciphertext are equal";
    }
  }
}

TEST(Spool, SaysFullAtItsLimitAndHasRoomAgainAfterwards) {
  const TemporaryDirectory directory;
  FixedRandom random{1};
  Spool spool{directory.path(), 3 * 4096, random};
  auto one = spool.append(bytes_of("one"));
  const auto two = spool.append(random_bytes(1, 5000));
  ASSERT_TRUE(one && two);
  EXPECT_EQ(spool.used_bytes(), 3U * 4096);
  EXPECT_EQ(spool.append(bytes_of("three")), nullptr);
  EXPECT_EQ(spool.used_bytes(), 3U * 4096);
  one.reset();
  EXPECT_EQ(spool.used_bytes(), 2U * 4096);
  EXPECT_NE(spool.append(bytes_of("three")), nullptr);
}

TEST(Spool, GivesDiskSpaceBack) {
  const TemporaryDirectory directory;
  FixedRandom random{1};
  Spool spool{directory.path(), 64 << 20, random};
  const Bytes bytes = random_bytes(1, 256 << 10);
  for (int i = 0; i < 64; ++i) ASSERT_TRUE(spool.append(bytes));
  for (const Bytes& file : unnamed_files(directory.path())) {
    EXPECT_TRUE(std::all_of(file.begin(), file.end(), [](std::byte byte) {
      return byte == std::byte{};
    })) << "freed records are punched out";
  }
  EXPECT_EQ(spool.used_bytes(), 0U);
}

TEST(Spool, NoticesADiskThatChangesBytes) {
  const TemporaryDirectory directory;
  FixedRandom random{1};
  Spool spool{directory.path(), 1 << 20, random};
  const auto record = spool.append(random_bytes(1, 100));
  unnamed_files(directory.path(), true);
  try {
    record->read();
    FAIL() << "read changed bytes";
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::corrupt);
  }
}

}  // namespace
}  // namespace vgerfs::repo
