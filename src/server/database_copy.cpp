#include "server/database_copy.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <filesystem>
#include <vector>

#include "base/error.h"
#include "base/fd.h"
#include "server/beneath.h"

namespace vgerfs::server {
namespace {

constexpr std::string_view kPrefix = "database-";
constexpr std::string_view kSuffix = ".sqlite";

/// Names of copies, oldest first: dates sort as text.
std::vector<std::string> copies_in(const std::string& directory) {
  std::vector<std::string> names;
  std::error_code failure;
  for (const auto& entry : std::filesystem::directory_iterator{directory, failure}) {
    std::string name = entry.path().filename().string();
    if (name.size() > kPrefix.size() + kSuffix.size() &&
        name.substr(0, kPrefix.size()) == kPrefix &&
        name.substr(name.size() - kSuffix.size()) == kSuffix) {
      names.push_back(std::move(name));
    }
  }
  if (failure) throw system_error(failure.value(), "listing " + directory);
  std::sort(names.begin(), names.end());
  return names;
}

}  // namespace

bool copy_database_daily(Database& database, const std::string& directory, Timestamp now) {
  constexpr std::size_t kDateBytes = 10;
  make_directories(directory, 0700);
  const std::string day = iso_time(now).substr(0, kDateBytes);
  const std::string path = fmt::format("{}/{}{}{}", directory, kPrefix, day, kSuffix);
  if (::access(path.c_str(), F_OK) == 0) return false;

  const std::string temporary = directory + "/unfinished";
  if (::unlink(temporary.c_str()) != 0 && errno != ENOENT) {
    throw system_error(errno, "deleting " + temporary);
  }
  // Made before, so that nobody else may read it at any moment: VACUUM INTO takes an empty file.
  { const Fd made = open_file(temporary, O_WRONLY | O_CREAT | O_EXCL, 0600); }
  database.query("VACUUM INTO ?1").bind(temporary).run();
  sync(open_file(temporary, O_RDONLY).get(), temporary);
  if (::rename(temporary.c_str(), path.c_str()) != 0) throw system_error(errno, "renaming " + path);
  sync_directory(directory);

  auto names = copies_in(directory);
  for (std::size_t i = 0; i + kDatabaseCopies < names.size(); ++i) {
    ::unlink(fmt::format("{}/{}", directory, names[i]).c_str());
  }
  return true;
}

}  // namespace vgerfs::server
