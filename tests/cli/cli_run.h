// Runs vgerfs-admin in the test's own process, with made-up surroundings.
#pragma once

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/fd.h"
#include "cli/admin.h"

namespace vgerfs::cli {

/// An empty directory below the test's temporary directory; removed at the end.
class TemporaryDirectory {
 public:
  TemporaryDirectory() {
    std::string name = (std::filesystem::temp_directory_path() / "vgerfs-cli-XXXXXX").string();
    if (::mkdtemp(name.data()) == nullptr) std::abort();
    path_ = name;
  }
  ~TemporaryDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TemporaryDirectory(const TemporaryDirectory&) = delete;
  TemporaryDirectory& operator=(const TemporaryDirectory&) = delete;

  std::string operator/(const std::string& name) const { return path_ + '/' + name; }
  const std::string& path() const { return path_; }
  /// Writes a file with mode 0600; returns its path.
  std::string write(const std::string& name, const std::string& text) const {
    const std::string path = *this / name;
    std::filesystem::create_directories(std::filesystem::path{path}.parent_path());
    std::ofstream{path, std::ios::binary} << text;
    std::filesystem::permissions(
        path, std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
    return path;
  }

 private:
  std::string path_;
};

/// A file in memory that is read back from its start.
class MemoryFile {
 public:
  MemoryFile() : fd_(::memfd_create("test", MFD_CLOEXEC)) {}
  int fd() const { return fd_.get(); }
  std::string text() const {
    std::string all(static_cast<std::size_t>(::lseek(fd_.get(), 0, SEEK_END)), '\0');
    read_at(fd_.get(), {reinterpret_cast<std::byte*>(all.data()), all.size()}, 0, "memory");
    return all;
  }

 private:
  Fd fd_;
};

/// Surroundings without terminal, environment or configuration of the machine; standard input is
/// /dev/null.
class TestIo {
 public:
  TestIo() {
    io.in = null_.get();
    io.out = out_.fd();
    io.err = err_.fd();
    io.environment = [this](const std::string& name) -> std::optional<std::string> {
      const auto found = environment.find(name);
      if (found == environment.end() || found->second.empty()) return std::nullopt;
      return found->second;
    };
    io.is_terminal = [this](int fd) { return fd == terminal_fd; };
    io.terminal_columns = [] { return 80U; };
    io.clock = &system_clock();
    io.uid = ::geteuid();
    io.gid = ::getegid();
    io.system_config_directory = directory / "etc";
  }
  // `io` refers to this object.
  TestIo(const TestIo&) = delete;
  TestIo& operator=(const TestIo&) = delete;

  std::string out() const { return out_.text(); }
  std::string err() const { return err_.text(); }

  TemporaryDirectory directory;
  std::map<std::string, std::string> environment;
  int terminal_fd = -1;
  Io io;

 private:
  Fd null_ = open_file("/dev/null", O_RDWR);
  MemoryFile out_;
  MemoryFile err_;
};

struct RunResult {
  int status = 0;
  std::string out;
  std::string err;
  nlohmann::json json() const { return nlohmann::json::parse(out); }
  nlohmann::json error() const { return nlohmann::json::parse(err).at("error"); }
};

/// One run of vgerfs-admin; `surroundings` may be prepared by the test.
inline RunResult run(const std::vector<std::string>& arguments, TestIo& surroundings) {
  std::vector<const char*> argv{"vgerfs-admin"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  RunResult result;
  result.status = run_admin(static_cast<int>(argv.size()), argv.data(), surroundings.io);
  result.out = surroundings.out();
  result.err = surroundings.err();
  return result;
}

inline RunResult run(const std::vector<std::string>& arguments) {
  TestIo surroundings;
  return run(arguments, surroundings);
}

}  // namespace vgerfs::cli
