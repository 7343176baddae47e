// dump of a directory: what the real tar unpacks is what was backed up.
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cli/command_fixture.h"
#include "repo/file_tree.h"

namespace vgerfs::cli {
namespace {

using ::testing::HasSubstr;

class DumpTar : public Commands {
 protected:
  void SetUp() override {
    Commands::SetUp();
    std::filesystem::create_directory(root());
  }
  std::string root() const { return directory_ / "src"; }
  std::string at(const std::string& name) const { return root() + "/" + name; }
  std::string target() const { return directory_ / "target"; }
  std::string archive() const { return directory_ / "archive.tar"; }

  void back_up() { ASSERT_EQ(admin({"backup", "--source", "s", root()}).status, 0); }
  /// Into a file; to a descriptor of its own, as a shell would.
  int dump(const std::string& what) {
    TestIo surroundings;
    prepare(surroundings);
    const Fd file = open_file(archive(), O_WRONLY | O_CREAT | O_TRUNC, 0600);
    surroundings.io.out = file.get();
    const RunResult result =
        run({"--key-file", key_, "--host", "here", "dump", what}, surroundings);
    errors_ = result.err;
    return result.status;
  }
  /// By GNU tar, told to take all that is there.
  int unpack(const std::string& archive) {
    std::filesystem::create_directory(target());
    const std::string command = fmt::format(
        "tar --extract --file '{}' --directory '{}' --preserve-permissions "
        "--numeric-owner --acls --xattrs --xattrs-include='*' > '{}' 2>&1",
        archive, target(), directory_ / "tar.out");
    return std::system(command.c_str());
  }
  std::string tar_output() const { return testing::read_file(directory_ / "tar.out"); }
  std::string target_differences(const std::string& of) const {
    return testing::differences(testing::describe_tree(of), testing::describe_tree(target()));
  }

  std::string errors_;
};

TEST_F(DumpTar, IsUnpackedToTheSameByGnuTar) {
  testing::make_nasty_tree(root(), 40, 200, 16 << 20);
  std::filesystem::remove(at("socket"));
  std::filesystem::create_directory(at("plain"));
  testing::make_plain_tree(at("plain"), 7, 100);
  back_up();
  ASSERT_EQ(dump("latest:s"), 0) << errors_;
  EXPECT_EQ(unpack(archive()), 0) << tar_output();
  EXPECT_EQ(target_differences(root()), "") << tar_output();
  EXPECT_LT(std::filesystem::file_size(archive()), 8U << 20) << "holes take space";
}

TEST_F(DumpTar, BelowAPathHasThePathsFromThere) {
  std::filesystem::create_directories(at("d/e"));
  testing::write_file(at("d/e/f"), "content");
  testing::set_mtime(at("d/e"), 1'234'567'890, 123'456'789);
  testing::set_mtime(at("d"), 1'000'000'000, 1);
  back_up();
  ASSERT_EQ(dump("latest:s:d"), 0) << errors_;
  ASSERT_EQ(unpack(archive()), 0) << tar_output();
  EXPECT_EQ(target_differences(at("d")), "");
}

TEST_F(DumpTar, HolesOfAllKindsComeBackAsHoles) {
  const auto write = [&](const std::string& name, off_t size, const std::vector<off_t>& places) {
    const Fd file = open_file(at(name), O_WRONLY | O_CREAT, 0600);
    for (const off_t place : places) {
      const std::string text(100'000, 'x');
      ASSERT_EQ(::pwrite(file.get(), text.data(), text.size(), place), 100'000);
    }
    ASSERT_EQ(::ftruncate(file.get(), size), 0);
  };
  write("only a hole", 5'000'000, {});
  write("at the start", 5'000'000, {4'900'000});
  write("at the end", 5'000'001, {0});
  write("in between", 50'000'000, {0, 10'000'000, 20'000'003, 49'900'000});
  write("long after", off_t{3} << 33, {off_t{1} << 34});
  back_up();
  ASSERT_EQ(dump("latest:s"), 0) << errors_;
  ASSERT_EQ(unpack(archive()), 0) << tar_output();
  EXPECT_LT(std::filesystem::file_size(archive()), 2'000'000U);
  for (const char* name : {"only a hole", "at the start", "at the end", "in between"}) {
    EXPECT_TRUE(testing::read_file(target() + "/" + name) == testing::read_file(at(name))) << name;
    struct ::stat there {};
    ASSERT_EQ(::stat((target() + "/" + name).c_str(), &there), 0);
    EXPECT_LT(there.st_blocks, 2048) << name;
  }
  EXPECT_EQ(std::filesystem::file_size(target() + "/long after"), std::uint64_t{3} << 33);
}

TEST_F(DumpTar, SocketsAreLeftOutAndNamed) {
  const Fd socket{::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)};
  struct ::sockaddr_un address {};
  address.sun_family = AF_UNIX;
  const std::string path = at("socket");
  ASSERT_LT(path.size(), sizeof address.sun_path);
  std::copy(path.begin(), path.end(), address.sun_path);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<struct ::sockaddr*>(&address), sizeof address),
            0);
  testing::write_file(at("zz"), "after it");
  back_up();
  EXPECT_EQ(dump("latest:s"), 0);
  EXPECT_THAT(errors_, HasSubstr("1 socket left out"));
  ASSERT_EQ(unpack(archive()), 0) << tar_output();
  EXPECT_EQ(testing::read_file(target() + "/zz"), "after it");
}

TEST_F(DumpTar, OfWhatIsDamagedHasNoEnd) {
  testing::write_file(at("a"), "whole");
  back_up();
  std::map<std::string, bool> before;
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"})
    before[pack.path()] = true;
  std::string random(400'000, '\0');
  for (std::size_t i = 0; i < random.size(); ++i)
    random[i] = static_cast<char>((i * 2654435761U) >> 13U);
  testing::write_file(at("b"), random);
  testing::write_file(at("c"), "behind it");
  back_up();
  for (const auto& pack : std::filesystem::recursive_directory_iterator{repository_ + "/data"}) {
    if (!pack.is_regular_file() || before.contains(pack.path())) continue;
    if (testing::read_file(pack.path()).at(10) == 1) std::filesystem::remove(pack.path());
  }
  EXPECT_EQ(dump("latest:s"), 14);
  EXPECT_THAT(errors_, HasSubstr("b: "));
  EXPECT_THAT(errors_, HasSubstr("vgerfs-admin restore"));
  EXPECT_NE(unpack(archive()), 0) << "it looks complete";
}

TEST_F(DumpTar, IsNothingForATerminal) {
  back_up();
  TestIo surroundings;
  prepare(surroundings);
  surroundings.terminal_fd = surroundings.io.out;
  EXPECT_EQ(run({"--key-file", key_, "dump", "latest"}, surroundings).status, 2);
  EXPECT_EQ(surroundings.out(), "");
}

TEST_F(DumpTar, StopsWhenItIsToldTo) {
  testing::write_file(at("a"), std::string(3'000'000, 'x'));
  back_up();
  std::stop_source stop;
  stop.request_stop();
  TestIo surroundings;
  prepare(surroundings);
  surroundings.io.stop = stop.get_token();
  EXPECT_EQ(run({"--key-file", key_, "dump", "latest"}, surroundings).status, 130);
}

}  // namespace
}  // namespace vgerfs::cli
