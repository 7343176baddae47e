#include "base/fd.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include "base/error.h"
#include "support/error_of.h"
#include "support/temporary_directory.h"

namespace vgerfs {
namespace {

using vgerfs::testing::code_of;
bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

std::vector<std::string> entries(const std::string& path) {
  std::vector<std::string> names;
  for (const auto& entry : std::filesystem::directory_iterator{path}) {
    names.push_back(entry.path().filename().string());
  }
  return names;
}

class FdTest : public ::testing::Test {
 protected:
  const testing::TemporaryDirectory directory_;
  const std::string path_ = directory_ / "file";
};

TEST_F(FdTest, ClosesItsDescriptorOnce) {
  int number = -1;
  {
    Fd fd = open_file(path_, O_RDWR | O_CREAT, 0600);
    number = fd.get();
    Fd moved{std::move(fd)};
    EXPECT_FALSE(fd);  // NOLINT(bugprone-use-after-move): the state after a move is promised
    EXPECT_EQ(moved.get(), number);
    Fd other = open_file(path_, O_RDONLY);
    const int replaced = other.get();
    other = std::move(moved);
    EXPECT_FALSE(is_open(replaced));
    EXPECT_TRUE(is_open(number));
  }
  EXPECT_FALSE(is_open(number));
  Fd released = open_file(path_, O_RDONLY);
  const Fd owner{released.release()};
  EXPECT_FALSE(released);
  EXPECT_TRUE(is_open(owner.get()));
}

TEST_F(FdTest, DescriptorsAreNotInherited) {
  const Fd fd = open_file(path_, O_RDWR | O_CREAT, 0600);
  EXPECT_EQ(::fcntl(fd.get(), F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
}

TEST_F(FdTest, OpeningNamesThePath) {
  try {
    open_file(path_, O_RDONLY);
    ADD_FAILURE();
  } catch (const Error& error) {
    EXPECT_EQ(error.code(), ErrorCode::not_found);
    EXPECT_NE(error.message().find(path_), std::string::npos);
  }
}

TEST_F(FdTest, ReadsAndWritesAtOffsets) {
  const Fd fd = open_file(path_, O_RDWR | O_CREAT, 0600);
  write_all_at(fd.get(), bytes_of("hello"), 3, path_);
  Bytes out(10, std::byte{7});
  EXPECT_EQ(read_at(fd.get(), out, 0, path_), 8U) << "short only at the end of the file";
  EXPECT_EQ(text_of(ByteView{out}.subspan(3, 5)), "hello");
  EXPECT_EQ(out[0], std::byte{0});
  EXPECT_EQ(out[8], std::byte{7});
  EXPECT_EQ(read_at(fd.get(), out, 100, path_), 0U);
  EXPECT_NO_THROW(write_all_at(fd.get(), {}, 0, path_));
}

TEST_F(FdTest, WriteErrorsAreTold) {
  const Fd fd = open_file(path_, O_RDONLY | O_CREAT, 0600);
  EXPECT_EQ(code_of([&] { write_all_at(fd.get(), bytes_of("x"), 0, path_); }), ErrorCode::io);
  EXPECT_EQ(code_of([&] { write_all(fd.get(), bytes_of("x"), path_); }), ErrorCode::io);
  const Fd full = open_file("/dev/full", O_WRONLY);
  EXPECT_EQ(code_of([&] { write_all(full.get(), bytes_of("x"), "full"); }), ErrorCode::no_space);
}

TEST_F(FdTest, WritesThroughShortWrites) {
  int ends[2];
  ASSERT_EQ(::pipe2(ends, O_CLOEXEC), 0);
  const Fd reader{ends[0]};
  Fd writer{ends[1]};
  const Bytes sent(1 << 20, std::byte{42});  // more than a pipe holds
  std::jthread thread{[&] {
    write_all(writer.get(), sent, "pipe");
    writer.reset();
  }};
  Bytes received;
  Bytes part(1000);
  for (;;) {
    const ssize_t count = ::read(reader.get(), part.data(), part.size());
    ASSERT_GE(count, 0);
    if (count == 0) break;
    append(received, ByteView{part}.first(static_cast<std::size_t>(count)));
  }
  EXPECT_TRUE(received == sent);
}

TEST_F(FdTest, ReadsAWholeFileUpToALimit) {
  for (const std::size_t size : {0U, 1U, 65535U, 65536U, 65537U, 200'000U}) {
    std::ofstream{path_, std::ios::binary} << std::string(size, 'x');
    EXPECT_EQ(read_whole_file(path_, size).size(), size);
    EXPECT_EQ(read_whole_file(path_, size + 1).size(), size);
    EXPECT_EQ(read_whole_file(path_, SIZE_MAX).size(), size);
    if (size > 0) {
      EXPECT_EQ(code_of([&] { read_whole_file(path_, size - 1); }), ErrorCode::corrupt);
    }
  }
  EXPECT_EQ(code_of([&] { read_whole_file(directory_ / "absent", 10); }), ErrorCode::not_found);
  EXPECT_EQ(code_of([&] { read_whole_file(directory_.path(), 10); }), ErrorCode::io);
}

TEST_F(FdTest, MakesDirectoriesAndLeavesOthersAlone) {
  const std::string deep = directory_ / "a/b/c";
  make_directories(deep, 0700);
  EXPECT_TRUE(std::filesystem::is_directory(deep));
  EXPECT_NO_THROW(make_directories(deep, 0700));
  EXPECT_NO_THROW(make_directories(deep + "/", 0700));
  struct stat status {};
  ASSERT_EQ(::stat((directory_ / "a").c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0700U);
  std::ofstream{path_} << "x";
  EXPECT_THROW(make_directories(path_, 0700), Error);
  EXPECT_THROW(make_directories(path_ + "/below", 0700), Error);
}

TEST_F(FdTest, ReplacesAFileWhole) {
  replace_file(path_, bytes_of("first"), 0600);
  EXPECT_EQ(text_of(read_whole_file(path_, 100)), "first");
  struct stat status {};
  ASSERT_EQ(::stat(path_.c_str(), &status), 0);
  EXPECT_EQ(status.st_mode & 07777U, 0600U);
  replace_file(path_, bytes_of("x"), 0600);
  EXPECT_EQ(text_of(read_whole_file(path_, 100)), "x");
  EXPECT_EQ(entries(directory_.path()), std::vector<std::string>{"file"});
}

TEST_F(FdTest, AFailedReplacementKeepsTheOldFileAndLeavesNoOther) {
  replace_file(path_, bytes_of("old"), 0600);
  const rlimit none{3, RLIM_INFINITY};  // as on a full disk: EFBIG instead of ENOSPC
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  const auto handler = ::signal(SIGXFSZ, SIG_IGN);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &none), 0);
  EXPECT_EQ(code_of([&] { replace_file(path_, bytes_of("longer"), 0600); }), ErrorCode::no_space);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, handler);
  EXPECT_EQ(text_of(read_whole_file(path_, 100)), "old");
  EXPECT_EQ(entries(directory_.path()), std::vector<std::string>{"file"});
  const std::string folder = directory_ / "folder";
  std::filesystem::create_directory(folder);
  EXPECT_THROW(replace_file(folder, bytes_of("x"), 0600), Error);
  EXPECT_EQ(entries(directory_.path()).size(), 2U);
}

TEST_F(FdTest, ThreadsReplacingOneFileNeverMixTheirBytes) {
  std::vector<std::jthread> threads;
  threads.reserve(4);
  for (int number = 0; number < 4; ++number) {
    threads.emplace_back([&, number] {
      const Bytes bytes(50'000, static_cast<std::byte>('a' + number));
      for (int i = 0; i < 10; ++i) replace_file(path_, bytes, 0600);
    });
  }
  threads.clear();
  const Bytes result = read_whole_file(path_, 100'000);
  EXPECT_TRUE(result == Bytes(50'000, result.at(0)));
  EXPECT_EQ(entries(directory_.path()), std::vector<std::string>{"file"});
}

TEST_F(FdTest, SyncsDirectories) {
  EXPECT_NO_THROW(sync_directory(directory_.path()));
  EXPECT_EQ(code_of([&] { sync_directory(directory_ / "absent"); }), ErrorCode::not_found);
}

}  // namespace
}  // namespace vgerfs
