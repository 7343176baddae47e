#include "server/data_directory.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include <array>
#include <cerrno>
#include <charconv>
#include <utility>
#include <vector>

#include "base/directory_stream.h"
#include "base/error.h"
#include "server/beneath.h"
#include "server/repository_files.h"

namespace vgerfs::server {
namespace {

constexpr const char* kPrivateName = ".vgerfs-server";

std::int64_t parse_number(std::string_view text, bool& ok) {
  std::int64_t value = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), value);
  ok = ok && !text.empty() && failure == std::errc{} && end == text.data() + text.size();
  return value;
}

Fd make_directory(int parent, const std::string& name) {
  if (::mkdirat(parent, name.c_str(), kDirectoryMode) == 0) {
    sync(parent, name);
  } else if (errno != EEXIST) {
    throw system_error(errno, "creating " + name);
  }
  auto made = open_beneath(parent, name, O_RDONLY | O_DIRECTORY);
  if (!made) throw Error{ErrorCode::io, name + " is not a directory"};
  return std::move(*made);
}

}  // namespace

ParkedName ParkedName::make(std::int64_t repository, std::int64_t token,
                            const format::ObjectName& object) {
  std::array<std::byte, 8> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size())) {
    throw system_error(errno, "drawing a random name");
  }
  return {repository, token, object, to_hex(random)};
}

std::optional<ParkedName> ParkedName::parse(std::string_view text) {
  std::array<std::string_view, 5> parts;
  for (std::size_t i = 0; i < parts.size(); ++i) {
    const std::size_t dot = i + 1 == parts.size() ? text.npos : text.find('.');
    if (i + 1 < parts.size() && dot == text.npos) return std::nullopt;
    parts[i] = text.substr(0, dot);
    text.remove_prefix(dot == text.npos ? text.size() : dot + 1);
  }
  ParkedName name;
  bool ok = true;
  name.repository = parse_number(parts[0], ok);
  name.token = parse_number(parts[1], ok);
  const auto type = format::parse_object_type(parts[2]);
  const auto id = ObjectId::parse(parts[3]);
  if (!ok || !type || !id || parts[4].empty()) return std::nullopt;
  name.object = {*type, *id};
  name.random = parts[4];
  return name;
}

std::string ParkedName::text() const {
  return fmt::format("{}.{}.{}.{}.{}", repository, token, format::directory_name(object.type),
                     object.id.hex(), random);
}

DataDirectory::DataDirectory(const std::string& path) : path_(path) {
  make_directories(path_, kDirectoryMode);
  root_ = open_file(path_, O_RDONLY | O_DIRECTORY);
  private_ = make_directory(root_.get(), kPrivateName);
  uploads_ = make_directory(private_.get(), "uploads");
  trash_ = make_directory(private_.get(), "trash");
}

std::string DataDirectory::database_path() const {
  return fmt::format("{}/{}/database.sqlite", path_, kPrivateName);
}

std::string DataDirectory::copies_path() const {
  return fmt::format("{}/{}/copies", path_, kPrivateName);
}

std::string DataDirectory::audit_path() const {
  return fmt::format("{}/{}/audit.log", path_, kPrivateName);
}

DiskSpace DataDirectory::disk_space() const {
  struct statvfs status {};
  if (::fstatvfs(root_.get(), &status) != 0) throw system_error(errno, "looking at " + path_);
  return {static_cast<std::uint64_t>(status.f_bavail) * status.f_frsize,
          static_cast<std::uint64_t>(status.f_blocks) * status.f_frsize};
}

Fd DataDirectory::lock() const {
  Fd fd = open_at(private_.get(), "lock", O_RDWR | O_CREAT | O_NOFOLLOW, 0600);
  if (::flock(fd.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno == EWOULDBLOCK) {
      throw Error{ErrorCode::busy, "another vgerfs-server runs on " + path_};
    }
    throw system_error(errno, "locking " + path_);
  }
  return fd;
}

std::optional<Fd> DataDirectory::open_repository(const RepositoryName& name) const {
  return open_beneath(root_.get(), name.text(), O_RDONLY | O_DIRECTORY);
}

Fd DataDirectory::make_repository(const RepositoryName& name) const {
  const std::string& text = name.text();
  const std::size_t slash = text.find('/');
  Fd repository = make_directory(root_.get(), text.substr(0, slash));
  if (slash != std::string::npos) {
    repository = make_directory(repository.get(), text.substr(slash + 1));
  }
  for (const format::ObjectType type : format::kListedTypes) {
    make_directory(repository.get(), std::string{format::directory_name(type)});
  }
  return repository;
}

void DataDirectory::list_names(int directory, const std::function<void(const std::string&)>& each) {
  auto fd = open_beneath(directory, ".", O_RDONLY | O_DIRECTORY);
  if (!fd) throw system_error(ENOENT, "listing a directory of the server");
  const DirectoryStream stream{::fdopendir(fd->get())};
  if (!stream) throw system_error(errno, "listing a directory of the server");
  static_cast<void>(fd->release());
  std::vector<std::string> names;
  for (;;) {
    errno = 0;
    const dirent* const entry = ::readdir(stream.get());
    if (entry == nullptr) {
      if (errno != 0) throw system_error(errno, "listing a directory of the server");
      break;
    }
    std::string name = entry->d_name;
    if (name != "." && name != "..") names.push_back(std::move(name));
  }
  // Gathered first: the callback may remove what it is shown.
  for (const std::string& name : names) each(name);
}

}  // namespace vgerfs::server
