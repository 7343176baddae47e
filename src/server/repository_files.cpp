#include "server/repository_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include <cerrno>
#include <utility>
#include <vector>

#include "base/clock.h"
#include "base/directory_stream.h"
#include "base/error.h"
#include "server/beneath.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

std::string directory_path(const ObjectName& name) {
  const std::string path = name.path();
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

std::int64_t modified_ns(const struct stat& status) {
  return std::int64_t{status.st_mtim.tv_sec} * kNsPerSecond + status.st_mtim.tv_nsec;
}

std::string file_name(const ObjectName& name) {
  return name.type == ObjectType::config ? name.path() : name.id.hex();
}

std::optional<OpenObject> RepositoryFiles::open(const ObjectName& name) const {
  auto fd = open_beneath(root_, name.path(), O_RDONLY);
  if (!fd) return std::nullopt;
  struct stat status {};
  if (::fstat(fd->get(), &status) != 0) throw system_error(errno, "looking up " + name.path());
  if (!S_ISREG(status.st_mode)) {
    throw Error{ErrorCode::corrupt, name.path() + " is not a regular file"};
  }
  return OpenObject{std::make_shared<const Fd>(std::move(*fd)),
                    static_cast<std::uint64_t>(status.st_size), modified_ns(status)};
}

std::optional<Fd> RepositoryFiles::directory_of(const ObjectName& name) const {
  return open_beneath(root_, directory_path(name), O_RDONLY | O_DIRECTORY);
}

Fd RepositoryFiles::make_directory_of(const ObjectName& name) const {
  if (auto there = directory_of(name)) return std::move(*there);
  const std::string path = directory_path(name);
  for (std::size_t slash = path.find('/');; slash = path.find('/', slash + 1)) {
    const std::string part = path.substr(0, slash);
    const std::size_t above = part.rfind('/');
    const auto parent = open_beneath(root_, above == part.npos ? "." : part.substr(0, above),
                                     O_RDONLY | O_DIRECTORY);
    if (!parent) throw system_error(ENOENT, "creating " + part);
    const std::string last = above == part.npos ? part : part.substr(above + 1);
    if (::mkdirat(parent->get(), last.c_str(), kDirectoryMode) == 0) {
      if (above == part.npos) sync(parent->get(), part);  // the root is synced by nobody else
    } else if (errno != EEXIST) {
      throw system_error(errno, "creating " + part);
    }
    if (slash == std::string::npos) break;
  }
  auto made = directory_of(name);
  if (!made) throw system_error(ENOENT, "opening " + path);
  return std::move(*made);
}

std::vector<std::pair<std::string, Fd>> RepositoryFiles::directories_of(
    const ObjectName& name) const {
  std::vector<std::pair<std::string, Fd>> found;
  for (std::string path = directory_path(name);; path.resize(path.rfind('/'))) {
    auto directory = open_beneath(root_, path, O_RDONLY | O_DIRECTORY);
    if (!directory) return {};
    found.emplace_back(path, std::move(*directory));
    if (path.rfind('/') == path.npos) return found;
  }
}

void RepositoryFiles::list(ObjectType type,
                           const std::function<void(const ListedObject&)>& each) const {
  if (type == ObjectType::config) {
    if (const auto config = open(format::config_name())) {
      each({format::config_name(), config->bytes, config->stored_at_ns});
    }
    return;
  }
  const std::string top{format::directory_name(type)};
  if (!open_beneath(root_, top, O_RDONLY | O_DIRECTORY)) {
    throw Error{ErrorCode::unavailable, fmt::format("the repository lacks its directory {}/", top)};
  }
  if (type == ObjectType::pack) {
    // The names are fixed, so there is no need to list data/ itself.
    for (unsigned first = 0; first < 256; ++first) {
      list_directory(type, fmt::format("{}/{:02x}", top, first), each);
    }
  } else {
    list_directory(type, top, each);
  }
}

void RepositoryFiles::list_directory(ObjectType type, const std::string& path,
                                     const std::function<void(const ListedObject&)>& each) const {
  auto fd = open_beneath(root_, path, O_RDONLY | O_DIRECTORY);
  if (!fd) return;
  const DirectoryStream stream{::fdopendir(fd->get())};
  if (!stream) throw system_error(errno, "listing " + path);
  static_cast<void>(fd->release());
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw system_error(errno, "listing " + path);
      return;
    }
    const auto id = ObjectId::parse(entry->d_name);
    if (!id || directory_path({type, *id}) != path) continue;
    struct stat status {};
    if (::fstatat(::dirfd(stream.get()), entry->d_name, &status, AT_SYMLINK_NOFOLLOW) != 0) {
      if (errno == ENOENT) continue;  // removed meanwhile
      throw system_error(errno, fmt::format("looking up {}/{}", path, entry->d_name));
    }
    if (S_ISREG(status.st_mode)) {
      each({{type, *id}, static_cast<std::uint64_t>(status.st_size), modified_ns(status)});
    }
  }
}

}  // namespace vgerfs::server
