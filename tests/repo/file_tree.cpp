#include "file_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/un.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <stdexcept>

#include <gtest/gtest.h>

#include "base/bytes.h"
#include "base/sha256.h"

namespace vgerfs::testing {
namespace {

void require(bool done, const std::string& what) {
  if (!done) throw std::runtime_error{what + ": " + std::strerror(errno)};
}

/// Works at any depth: one level after the other, by descriptors.
class Describer {
 public:
  Describer(std::map<std::string, std::string>& out, const DescribeOptions& options)
      : out_(out), options_(options) {}

  void directory(int fd, const std::string& path) {
    out_[path] = attributes(fd, path, "/proc/self/fd/" + std::to_string(fd));
    std::vector<std::string> names;
    DIR* dir = ::fdopendir(::dup(fd));
    require(dir != nullptr, path);
    while (const dirent* item = ::readdir(dir)) {
      const std::string name = item->d_name;
      if (name != "." && name != "..") names.push_back(name);
    }
    ::closedir(dir);
    std::sort(names.begin(), names.end());
    for (const std::string& name : names) {
      const std::string below = path.empty() ? name : path + "/" + name;
      const int held = ::openat(fd, name.c_str(), O_PATH | O_NOFOLLOW);
      require(held >= 0, below);
      struct stat there {};
      require(::fstat(held, &there) == 0, below);
      if (S_ISDIR(there.st_mode)) {
        const int child = ::openat(fd, name.c_str(), O_RDONLY | O_DIRECTORY);
        require(child >= 0, below);
        directory(child, below);
        ::close(child);
      } else {
        out_[below] = attributes(held, below, "/proc/self/fd/" + std::to_string(held));
      }
      ::close(held);
    }
  }

 private:
  std::string attributes(int fd, const std::string& path, const std::string& by_fd) {
    struct stat there {};
    require(::fstat(fd, &there) == 0, path);
    char line[256];
    std::snprintf(line, sizeof line, "mode %o", there.st_mode);
    std::string text = line;
    if (options_.owners)
      text += " owner " + std::to_string(there.st_uid) + ":" + std::to_string(there.st_gid);
    if (options_.times) {
      std::snprintf(line, sizeof line, " mtime %lld.%09ld",
                    static_cast<long long>(there.st_mtim.tv_sec), there.st_mtim.tv_nsec);
      text += line;
    }
    if (S_ISREG(there.st_mode))
      text += " size " + std::to_string(there.st_size) + " content " + content(by_fd, there);
    if (S_ISCHR(there.st_mode) || S_ISBLK(there.st_mode)) {
      text += " device " + std::to_string(major(there.st_rdev)) + "," +
              std::to_string(minor(there.st_rdev));
    }
    if (S_ISLNK(there.st_mode)) {
      std::array<char, 4097> target{};
      require(::readlinkat(fd, "", target.data(), target.size() - 1) > 0, path);
      text += " -> ";
      text += target.data();
    }
    if (!S_ISDIR(there.st_mode) && there.st_nlink > 1) {
      text += " links " + std::to_string(there.st_nlink) + " first " +
              inodes_.try_emplace(there.st_ino, path).first->second;
    }
    return text + xattrs(by_fd);
  }

  static std::string content(const std::string& by_fd, const struct stat& there) {
    const int fd = ::open(by_fd.c_str(), O_RDONLY);
    require(fd >= 0, by_fd);
    Sha256 hash;
    std::vector<std::byte> buffer(std::size_t{1} << 20);
    // Long holes count by their length.
    for (off_t at = 0; at < there.st_size;) {
      const off_t data = ::lseek(fd, at, SEEK_DATA);
      const off_t from = data < 0 ? there.st_size : data;
      if (from - at >= (64 << 20)) {
        hash.update(bytes_of("hole " + std::to_string(from - at)));
        at = from;
        continue;
      }
      const ssize_t count = ::pread(fd, buffer.data(), buffer.size(), at);
      require(count > 0, by_fd);
      hash.update(ByteView{buffer}.first(static_cast<std::size_t>(count)));
      at += count;
    }
    ::close(fd);
    return to_hex(hash.finish()).substr(0, 16);
  }

  static std::string xattrs(const std::string& by_fd) {
    std::vector<char> names(65536);
    const ssize_t count = ::listxattr(by_fd.c_str(), names.data(), names.size());
    if (count < 0) return {};
    std::map<std::string, std::string> values;
    for (ssize_t at = 0; at < count;) {
      const std::string name{names.data() + at};
      at += static_cast<ssize_t>(name.size()) + 1;
      std::vector<char> value(65536);
      const ssize_t bytes = ::getxattr(by_fd.c_str(), name.c_str(), value.data(), value.size());
      require(bytes >= 0, name);
      values[name] = to_hex(bytes_of({value.data(), static_cast<std::size_t>(bytes)}));
    }
    std::string text;
    for (const auto& [name, value] : values) {
      text += " " + name + "=" + (value.size() > 80 ? to_hex(sha256(bytes_of(value))) : value);
    }
    return text;
  }

  std::map<std::string, std::string>& out_;
  const DescribeOptions options_;
  std::map<ino_t, std::string> inodes_;
};

}  // namespace

std::map<std::string, std::string> describe_tree(const std::string& root,
                                                 const DescribeOptions& options) {
  std::map<std::string, std::string> out;
  const int fd = ::open(root.c_str(), O_RDONLY | O_DIRECTORY);
  require(fd >= 0, root);
  Describer{out, options}.directory(fd, "");
  ::close(fd);
  return out;
}

std::string differences(const std::map<std::string, std::string>& a,
                        const std::map<std::string, std::string>& b) {
  std::string text;
  int left = 10;
  for (const auto& [path, value] : a) {
    const auto found = b.find(path);
    if (found != b.end() && found->second == value) continue;
    if (left-- == 0) break;
    text += "'" + path + "'\n  " + value + "\n  " +
            (found == b.end() ? "is missing" : found->second) + "\n";
  }
  for (const auto& [path, value] : b) {
    if (!a.contains(path) && left-- > 0) text += "'" + path + "' is too much\n";
  }
  return text;
}

void write_file(const std::string& path, std::string_view content) {
  const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
  require(fd >= 0, path);
  while (!content.empty()) {
    const ssize_t count = ::write(fd, content.data(), content.size());
    require(count > 0, path);
    content.remove_prefix(static_cast<std::size_t>(count));
  }
  ::close(fd);
}

std::string read_file(const std::string& path) {
  const int fd = ::open(path.c_str(), O_RDONLY);
  require(fd >= 0, path);
  std::string content;
  std::array<char, 65536> buffer;
  while (const ssize_t count = ::read(fd, buffer.data(), buffer.size())) {
    require(count > 0, path);
    content.append(buffer.data(), static_cast<std::size_t>(count));
  }
  ::close(fd);
  return content;
}

void set_mtime(const std::string& path, std::int64_t s, std::int64_t ns) {
  const struct timespec times[2] = {{0, UTIME_OMIT}, {s, ns}};
  require(::utimensat(AT_FDCWD, path.c_str(), times, AT_SYMLINK_NOFOLLOW) == 0, path);
}

void set_xattr(const std::string& path, const std::string& name, std::string_view value) {
  require(::lsetxattr(path.c_str(), name.c_str(), value.data(), value.size(), 0) == 0,
          path + " " + name);
}

bool is_root() { return ::geteuid() == 0; }

AsOrdinaryUser::AsOrdinaryUser(const std::vector<std::string>& directories) : was_root_(is_root()) {
  constexpr unsigned kUser = 54321;
  if (!was_root_) return;
  for (const std::string& directory : directories) {
    require(::lchown(directory.c_str(), kUser, kUser) == 0, directory);
    for (const auto& each : std::filesystem::recursive_directory_iterator{directory}) {
      require(::lchown(each.path().c_str(), kUser, kUser) == 0, each.path());
    }
  }
  require(::setegid(kUser) == 0 && ::seteuid(kUser) == 0, "becoming an ordinary user");
}

AsOrdinaryUser::~AsOrdinaryUser() {
  if (was_root_ && (::seteuid(0) != 0 || ::setegid(0) != 0)) std::abort();
}

void make_plain_tree(const std::string& root, std::uint64_t seed, int files) {
  std::mt19937_64 random{seed};
  const auto below = [&](std::uint64_t n) { return random() % n; };
  std::vector<std::string> directories{root};
  for (int i = 0; i < files; ++i) {
    if (below(10) == 0) {
      directories.push_back(directories[below(directories.size())] + "/d" + std::to_string(i));
      require(::mkdir(directories.back().c_str(), 0755) == 0, directories.back());
    }
    // Mostly small; a few long enough for several chunks.
    const std::uint64_t bytes = below(40) == 0 ? 200'000 + below(2'000'000) : below(20'000);
    std::string content(bytes, '\0');
    const bool text = below(2) == 0;
    for (char& c : content)
      c = text ? static_cast<char>('a' + below(4)) : static_cast<char>(random());
    const std::string path = directories[below(directories.size())] + "/f" + std::to_string(i);
    write_file(path, content);
    set_mtime(path, 1'600'000'000 + static_cast<std::int64_t>(below(100'000'000)),
              static_cast<std::int64_t>(below(1'000'000'000)));
  }
}

void make_nasty_tree(const std::string& root, int depth, int entries, std::uint64_t sparse_bytes) {
  const auto at = [&](std::string_view name) { return root + "/" + std::string{name}; };
  const auto directory = [&](std::string_view name) {
    require(::mkdir(at(name).c_str(), 0755) == 0, at(name));
  };
  std::mt19937_64 random{7};
  const auto noise = [&](std::size_t bytes) {
    std::string text(bytes, '\0');
    for (char& c : text) c = static_cast<char>(random());
    return text;
  };

  write_file(at("empty"), "");
  write_file(at("sparse"), "");
  require(::truncate(at("sparse").c_str(), static_cast<off_t>(sparse_bytes)) == 0, "sparse");
  const int sparse = ::open(at("sparse").c_str(), O_WRONLY);
  const std::string middle = noise(100'000);
  require(::pwrite(sparse, middle.data(), middle.size(),
                   static_cast<off_t>(sparse_bytes / 2 + 123)) > 0,
          "sparse");
  require(::pwrite(sparse, "end", 3, static_cast<off_t>(sparse_bytes - 3)) == 3, "sparse");
  ::close(sparse);
  write_file(at("hole at end"), noise(5000));
  require(::truncate(at("hole at end").c_str(), 700'000) == 0, "hole at end");
  write_file(at("all hole"), "");
  require(::truncate(at("all hole").c_str(), 3'000'000) == 0, "all hole");
  write_file(at("zeros"), std::string(500'000, '\0'));

  directory("h1");
  directory("h2");
  write_file(at("h1/a"), noise(300'000));
  require(::link(at("h1/a").c_str(), at("h2/b").c_str()) == 0, "link");
  require(::link(at("h1/a").c_str(), at("c").c_str()) == 0, "link");
  require(::symlink("nowhere", at("h1/dangling").c_str()) == 0, "symlink");
  require(::link(at("h1/dangling").c_str(), at("h2/dangling too").c_str()) == 0,
          "link of a symlink");
  require(::symlink("/etc/passwd", at("absolute").c_str()) == 0, "symlink");
  require(::symlink(std::string(4095, 'x').c_str(), at("long target").c_str()) == 0, "symlink");
  require(::mkfifo(at("fifo").c_str(), 0640) == 0, "fifo");
  require(::link(at("fifo").c_str(), at("h2/fifo").c_str()) == 0, "link of a fifo");
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  const int socket = ::socket(AF_UNIX, SOCK_STREAM, 0);
  const std::string socket_path = at("socket");
  require(socket_path.size() < sizeof address.sun_path,
          "the temporary directory's path is too long for a socket");
  std::memcpy(address.sun_path, socket_path.c_str(), socket_path.size() + 1);
  require(::bind(socket, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
          "socket");
  ::close(socket);

  write_file(at(std::string(255, 'n')), "a long name");
  write_file(at("\xff\xfe\n\t binary"), "not UTF-8");
  write_file(at("\\back*[slash]?"), "a pattern");
  write_file(at("old"), "before 1970");
  set_mtime(at("old"), -86400LL * 3650, 876'543'211);
  write_file(at("nanoseconds"), "n");
  set_mtime(at("nanoseconds"), 1'700'000'000, 123'456'789);
  write_file(at("far"), "in the future");
  set_mtime(at("far"), 4'000'000'000, 1);
  set_mtime(at("absolute"), 1'000'000'000, 5);

  set_xattr(at("empty"), "user.none", "");
  set_xattr(at("empty"), "user.small", std::string_view{"\0\1\2", 3});
  set_xattr(at("empty"), "user.large", noise(3000));
  set_xattr(at("h1"), "user.directory", "d");
  for (int i = 0; i < 5; ++i)
    set_xattr(at("old"), "user.number" + std::to_string(i),
              std::string(static_cast<std::size_t>(i) * 50, 'v'));

  directory("many");
  for (int i = 0; i < entries; ++i) {
    const std::string path = at("many/" + std::to_string(i));
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT, 0600);
    require(fd >= 0 && ::write(fd, &i, sizeof i) > 0, path);
    ::close(fd);
  }
  const int here = ::open(".", O_RDONLY | O_DIRECTORY);
  require(::chdir(root.c_str()) == 0, "chdir");
  for (int i = 0; i < depth; ++i)
    require(::mkdir("deep", 0755) == 0 && ::chdir("deep") == 0, "deep");
  write_file("bottom", "a long way down");
  require(::fchdir(here) == 0, "chdir");
  ::close(here);

  directory("closed");
  write_file(at("closed/in"), "x");
  write_file(at("no rights"), "z");
  if (is_root()) {
    require(::mknod(at("null").c_str(), S_IFCHR | 0666, makedev(1, 3)) == 0, "device");
    require(::mknod(at("block").c_str(), S_IFBLK | 0600, makedev(259, 1'048'575)) == 0, "device");
    set_xattr(at("fifo"), "trusted.fifo", "of a fifo");
    set_xattr(at("h1/dangling"), "trusted.link", "of a link");
    set_xattr(at("null"), "trusted.device", "of a device");
    // Version 2 capabilities: cap_net_raw+ep.
    set_xattr(at("c"), "security.capability",
              std::string_view{"\1\0\0\2\0\x20\0\0\0\0\0\0\0\0\0\0\0\0\0\0", 20});
    write_file(at("set-id"), "s");
    require(
        ::chown(at("set-id").c_str(), 1234, 4321) == 0 && ::chmod(at("set-id").c_str(), 06755) == 0,
        "set-id");
    directory("sticky");
    require(::chown(at("sticky").c_str(), 99, 98) == 0 && ::chmod(at("sticky").c_str(), 03777) == 0,
            "sticky");
    require(::lchown(at("long target").c_str(), 77, 88) == 0, "lchown");
  }
  // Access: user::rw-, user:1000:rw-, group::r--, mask::rw-, other::---; default: the same with x.
  const std::string_view acl{
      "\2\0\0\0\1\0\6\0\xff\xff\xff\xff\2\0\6\0\xe8\3\0\0\4\0\4\0\xff\xff\xff\xff\x10\0\6\0\xff\xff"
      "\xff\xff\x20\0\0\0\xff\xff\xff\xff",
      44};
  const std::string_view default_acl{
      "\2\0\0\0\1\0\7\0\xff\xff\xff\xff\2\0\7\0\xe8\3\0\0\4\0\5\0\xff\xff\xff\xff\x10\0\7\0\xff\xff"
      "\xff\xff\x20\0\5\0\xff\xff\xff\xff",
      44};
  set_xattr(at("zeros"), "system.posix_acl_access", acl);
  directory("inherits");
  write_file(at("inherits/without"), "made before the default");
  set_xattr(at("inherits"), "system.posix_acl_default", default_acl);
  write_file(at("inherits/with"), "made after the default");
  require(::chmod(at("closed").c_str(), 0555) == 0 && ::chmod(at("no rights").c_str(), 0) == 0,
          "chmod");
  set_mtime(at("inherits"), 1'234'567'890, 987'654'321);
  set_mtime(root, 1'111'111'111, 222'222'222);
}

}  // namespace vgerfs::testing
