// Where the configuration file lies, and whether it may be trusted.
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "cli/configuration.h"
#include "cli/location.h"

namespace vgerfs::cli {
namespace {

constexpr std::size_t kMaxFileBytes = 1 << 20;

/// False if the file is certainly absent.
bool exists(const std::string& file) {
  struct stat status {};
  if (::stat(file.c_str(), &status) == 0) return true;
  if (errno == ENOENT || errno == ENOTDIR) return false;
  throw system_error(errno, file);
}

/// The same where a file is only looked for: in a directory that this user may not search (the
/// working directory of who became another user, an administrator's /etc/vgerfs) none is his.
bool exists_for_us(const std::string& file) {
  try {
    return exists(file);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::denied) throw;
    return false;
  }
}

/// An administrator who works in somebody's directory must not run what that user wrote. Judged by
/// the open file, so that it cannot be exchanged in between.
void check_owner(const Fd& fd, const std::string& file, const Io& io) {
  struct stat status {};
  if (::fstat(fd.get(), &status) != 0) throw system_error(errno, file);
  const bool ours = status.st_uid == 0 || status.st_uid == io.uid;
  const bool our_group = status.st_gid == 0 || status.st_gid == io.gid;
  if (ours && (status.st_mode & S_IWOTH) == 0 && (our_group || (status.st_mode & S_IWGRP) == 0))
    return;
  throw Error{
      ErrorCode::denied,
      fmt::format("{}: this configuration belongs to, or may be written by, another user", file),
      fmt::format("if you trust it, say so: --config {}", file)};
}

std::vector<std::string> search_places(const Io& io) {
  std::vector<std::string> places{absolute_path("vgerfs.yaml", working_directory())};
  std::vector<std::string> directories;
  if (const auto xdg = io.environment("XDG_CONFIG_HOME")) {
    directories.push_back(*xdg + "/vgerfs");
  } else if (const auto home = io.environment("HOME")) {
    directories.push_back(*home + "/.config/vgerfs");
  }
  directories.push_back(io.system_config_directory);
  for (const std::string& directory : directories) {
    places.push_back(directory + "/config.yaml");
    places.push_back(directory + "/vgerfs.yaml");
  }
  return places;
}

}  // namespace

std::optional<ConfigurationPlace> find_configuration(const std::optional<std::string>& option,
                                                     const Io& io) {
  const auto named = option ? option : io.environment("VGERFS_CONFIG");
  if (named) {
    if (!exists(*named)) {
      throw Error{ErrorCode::usage, fmt::format("{}: there is no such configuration file", *named),
                  option ? "it was named by --config"
                         : "it was named by the environment variable VGERFS_CONFIG"};
    }
    return ConfigurationPlace{absolute_path(*named, working_directory()), true};
  }
  for (std::string& place : search_places(io)) {
    if (exists_for_us(place)) return ConfigurationPlace{std::move(place), false};
  }
  return std::nullopt;
}

std::string read_configuration(const ConfigurationPlace& place, const Io& io) {
  const Fd fd = open_file(place.file, O_RDONLY);
  if (!place.asked_for) check_owner(fd, place.file, io);
  std::string text(kMaxFileBytes + 1, '\0');
  std::size_t size = 0;
  // read, not pread: it may be a pipe.
  while (size < text.size()) {
    const ssize_t count = ::read(fd.get(), text.data() + size, text.size() - size);
    if (count == 0) break;
    if (count < 0 && errno == EINTR) {
      check_interrupted(io);
    } else if (count < 0) {
      throw system_error(errno, place.file);
    } else {
      size += static_cast<std::size_t>(count);
    }
  }
  if (size > kMaxFileBytes)
    throw Error{ErrorCode::usage, fmt::format("{}: too large for a configuration", place.file)};
  text.resize(size);
  return text;
}

Configuration load_configuration(const std::optional<std::string>& option, const Io& io) {
  const auto place = find_configuration(option, io);
  if (!place) return {};
  ParsedConfiguration parsed = parse_configuration(read_configuration(*place, io), place->file, io);
  if (!parsed.problems.empty()) {
    const ConfigurationProblem& first = parsed.problems.front();
    std::string message = describe(first, place->file);
    if (parsed.problems.size() > 1)
      message += fmt::format(" (and {} more)", parsed.problems.size() - 1);
    throw Error{
        ErrorCode::usage, std::move(message),
        first.hint.empty() ? "vgerfs-admin config check explains each problem" : first.hint};
  }
  return std::move(parsed.configuration);
}

}  // namespace vgerfs::cli
