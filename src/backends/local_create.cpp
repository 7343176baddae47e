#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "backends/local_backend.h"
#include "base/error.h"
#include "base/fd.h"

namespace vgerfs::backends {
namespace {

std::vector<std::string> entries_of(const std::string& path) {
  std::vector<std::string> names;
  std::error_code failure;
  for (std::filesystem::directory_iterator at{path, failure}, end; !failure && at != end;
       at.increment(failure)) {
    names.push_back(at->path().filename().string());
  }
  if (failure) throw system_error(failure.value(), "reading directory " + path);
  return names;
}

/// Makes the path's directories; each new one is durable.
void make_durable_directories(const std::string& path, mode_t last_mode) {
  for (std::size_t at = path.find('/', 1);; at = path.find('/', at + 1)) {
    const std::string part = path.substr(0, at);
    const bool is_last = at == std::string::npos;
    if (::mkdir(part.c_str(), is_last ? last_mode : 0777) == 0) {
      const std::size_t slash = part.rfind('/');
      sync_directory(slash == 0 ? "/" : part.substr(0, slash));
    } else if (errno != EEXIST) {
      throw system_error(errno, "creating directory " + part);
    }
    if (is_last) return;
  }
}

bool is_layout_directory(const std::string& name) {
  for (const format::ObjectType type : format::kListedTypes) {
    if (name == format::directory_name(type)) return true;
  }
  return false;
}

/// An empty directory, a fresh file system's root, or what an interrupted creation left will do.
void check_unused(const std::string& path) {
  for (const std::string& name : entries_of(path)) {
    if (name == "config") {
      throw Error{ErrorCode::exists, "there is a repository at " + path + " already"};
    }
    if (name == "lost+found") continue;
    if (!is_layout_directory(name) || !entries_of(fmt::format("{}/{}", path, name)).empty()) {
      throw Error{ErrorCode::exists,
                  fmt::format("the directory {} is not empty: it holds {}", path, name),
                  "choose a new or an empty directory for the repository"};
    }
  }
}

}  // namespace

std::unique_ptr<Backend> create_local_backend(const std::string& path, LocalOptions options) {
  constexpr mode_t kPrivateMode = 0700;
  std::string root = std::filesystem::absolute(path).lexically_normal().string();
  while (root.size() > 1 && root.back() == '/') root.pop_back();
  make_durable_directories(root, kPrivateMode);
  if (!std::filesystem::is_directory(root)) {
    throw Error{ErrorCode::exists, root + " exists and is not a directory"};
  }
  check_unused(root);
  for (const format::ObjectType type : format::kListedTypes) {
    const std::string directory = root + '/' + std::string{format::directory_name(type)};
    if (::mkdir(directory.c_str(), kPrivateMode) != 0 && errno != EEXIST) {
      throw system_error(errno, "creating directory " + directory);
    }
  }
  sync_directory(root);
  return open_local_backend(root, options);
}

}  // namespace vgerfs::backends
