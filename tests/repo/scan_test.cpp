#include "repo/scan.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <string>

#include <gtest/gtest.h>

#include "base/error.h"
#include "base/fd.h"
#include "repo/file_entry.h"
#include "repo/file_failure.h"
#include "support/temporary_directory.h"

namespace vgerfs::repo {
namespace {

std::size_t open_descriptors() {
  std::size_t count = 0;
  for ([[maybe_unused]] const auto& each : std::filesystem::directory_iterator{"/proc/self/fd"})
    ++count;
  return count;
}

Fd open_directory(int at, const char* name) { return open_at(at, name, O_RDONLY | O_DIRECTORY); }

TEST(Listing, NamesComeInOrderOfBytes) {
  const testing::TemporaryDirectory directory;
  for (const char* name : {"b", "a", "a.b", "\xff\xfe", "A", "ab", "a-"})
    std::ofstream{directory / name};
  const Listing listing = list_directory(open_directory(AT_FDCWD, directory.path().c_str()).get());
  std::vector<std::string> names;
  for (std::size_t i = 0; i < listing.names.size(); ++i) names.emplace_back(listing.names[i]);
  EXPECT_EQ(names, (std::vector<std::string>{"A", "a", "a-", "a.b", "ab", "b", "\xff\xfe"}));
  EXPECT_EQ(listing.error_number, 0);
  EXPECT_TRUE(
      listing.names.contains("a."
                             "b"));
  EXPECT_FALSE(listing.names.contains("aa"));
}

TEST(Listing, ABrokenReadIsReported) {
  const testing::TemporaryDirectory directory;
  std::ofstream{directory / "file"};
  const Fd file = open_file(directory / "file", O_RDONLY);
  EXPECT_EQ(list_directory(file.get()).error_number, ENOTDIR);
}

TEST(KernelFileSystem, ProcIsOneAndTmpIsNot) {
  EXPECT_TRUE(is_kernel_file_system(open_directory(AT_FDCWD, "/proc").get()));
  const testing::TemporaryDirectory directory;
  EXPECT_FALSE(is_kernel_file_system(open_directory(AT_FDCWD, directory.path().c_str()).get()));
}

/// A chain of directories d/d/d…, each with a file that holds its depth.
class DeepTree : public ::testing::Test {
 protected:
  static constexpr int kDepth = 600;

  void SetUp() override {
    Fd at = open_directory(AT_FDCWD, root_.path().c_str());
    for (int depth = 1; depth <= kDepth; ++depth) {
      const Fd file = open_at(at.get(), "file", O_WRONLY | O_CREAT | O_EXCL, 0600);
      write_all(file.get(), bytes_of(std::to_string(depth)), "file");
      ASSERT_EQ(::mkdirat(at.get(), "d", 0700), 0);
      at = open_directory(at.get(), "d");
    }
  }

  static int depth_at(int directory) {
    char text[16] = {};
    const Fd file = open_at(directory, "file", O_RDONLY);
    return ::read(file.get(), text, sizeof text - 1) > 0 ? std::atoi(text) : -1;
  }

  DirectoryPath path_from_root() const {
    Fd fd = open_directory(AT_FDCWD, root_.path().c_str());
    const struct ::stat attributes = stat_of(fd.get());
    return {std::move(fd), attributes};
  }

  static void descend(DirectoryPath& path, int to) {
    while (path.depth() < static_cast<std::size_t>(to)) {
      Fd fd = open_directory(path.current()->get(), "d");
      const struct ::stat attributes = stat_of(fd.get());
      path.enter("d", std::move(fd), attributes);
    }
  }

  const testing::TemporaryDirectory root_;
};

TEST_F(DeepTree, FewDescriptorsAndTheRightDirectoryOnTheWayBack) {
  const std::size_t before = open_descriptors();
  DirectoryPath path = path_from_root();
  descend(path, kDepth);
  EXPECT_LT(open_descriptors(), before + 80);
  for (int depth = kDepth; depth > 0; --depth) {
    EXPECT_EQ(depth_at(path.current()->get()), depth);
    if (depth > 1) path.leave();
  }
  EXPECT_LT(open_descriptors(), before + 80);
}

TEST_F(DeepTree, SeveralLevelsUpAtOnce) {
  DirectoryPath path = path_from_root();
  descend(path, kDepth);
  for (int depth = kDepth; depth > 300; --depth) path.leave();
  EXPECT_EQ(depth_at(path.current()->get()), 300);
  descend(path, 450);
  EXPECT_EQ(depth_at(path.current()->get()), 450);
}

TEST_F(DeepTree, AMovedDirectoryIsNotMistakenForAnother) {
  DirectoryPath path = path_from_root();
  descend(path, 200);
  // Levels 100 and 101 change places with an impostor: ".." of what was left leads elsewhere, names
  // lead elsewhere.
  const Fd level_99 = [&] {
    DirectoryPath other = path_from_root();
    descend(other, 99);
    return Fd{::fcntl(other.current()->get(), F_DUPFD_CLOEXEC, 0)};
  }();
  ASSERT_EQ(::renameat(level_99.get(), "d/d", level_99.get(), "moved"), 0);
  ASSERT_EQ(::renameat(level_99.get(), "d", level_99.get(), "old"), 0);
  ASSERT_EQ(::mkdirat(level_99.get(), "d", 0700), 0);
  while (path.depth() > 101) path.leave();
  EXPECT_THROW(path.current(), FileError);  // at depth 101: is now 99/moved
  path.leave();
  EXPECT_THROW(path.current(), FileError);  // at depth 100: is now 99/old
  path.leave();
  EXPECT_EQ(depth_at(path.current()->get()), 99);
}

TEST_F(DeepTree, ADescriptorInUseOutlivesItsLevel) {
  DirectoryPath path = path_from_root();
  descend(path, 40);
  const auto held = path.current();
  descend(path, 200);
  while (path.depth() > 1) path.leave();
  EXPECT_EQ(depth_at(held->get()), 40);
}

}  // namespace
}  // namespace vgerfs::repo
