#include "golden_manifest.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <filesystem>
#include <map>

#include <fmt/format.h>

#include "base/error.h"
#include "base/fd.h"
#include "base/sha256.h"
#include "repo/content_reader.h"
#include "repo/tree_walk.h"

namespace vgerfs::testing {
namespace {

constexpr std::uint64_t kHoleBytes = 64 * 1024;
constexpr std::size_t kLongestShownXattr = 64;

std::string escape(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const bool plain = c >= 0x21 && c <= 0x7e && std::string_view{"\"%=,:"}.find(c) == text.npos;
    out += plain ? std::string(1, c) : fmt::format("%{:02X}", static_cast<unsigned char>(c));
  }
  return out;
}

/// A path's parts are escaped, not its slashes, which no name has.
std::string shown(std::string_view path) { return path.empty() ? "." : escape(path); }

class Line {
 public:
  Line(std::string_view path, std::string_view type) : text_(fmt::format("{} {}", path, type)) {}

  template <class... Args>
  void add(fmt::format_string<Args...> format, Args&&... args) {
    text_ += ' ' + fmt::format(format, std::forward<Args>(args)...);
  }
  void add_attributes(unsigned mode, unsigned uid, unsigned gid, std::int64_t s, long ns) {
    add("mode={:04o} owner={}:{} mtime={}.{:09}", mode, uid, gid, s, ns);
  }
  void add_xattr(std::string_view name, ByteView value) {
    add("xattr:{}={}", escape(name),
        value.size() <= kLongestShownXattr ? to_hex(value) : to_hex(sha256(value)));
  }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

/// Long runs of zeros.
class HoleList {
 public:
  void add(std::uint64_t start, std::uint64_t bytes) {
    text_ += fmt::format("{}{}+{}", text_.empty() ? "" : ",", start, bytes);
  }
  /// The next bytes of a file.
  void scan(ByteView bytes) {
    for (const std::byte byte : bytes) {
      if (byte != std::byte{0}) end_run();
      ++at_;
      if (byte != std::byte{0}) start_ = at_;
    }
  }
  void end_run() {
    if (at_ - start_ >= kHoleBytes) add(start_, at_ - start_);
  }
  void add_to(Line& line) const {
    if (!text_.empty()) line.add("holes={}", text_);
  }

 private:
  std::string text_;
  std::uint64_t at_ = 0;
  std::uint64_t start_ = 0;  // of the run of zeros that ends at at_
};

struct Type {
  repo::EntryType entry;
  mode_t mode;
  std::string_view name;
};
constexpr Type kTypes[] = {
    {repo::EntryType::ENTRY_FILE, S_IFREG, "file"},
    {repo::EntryType::ENTRY_DIRECTORY, S_IFDIR, "directory"},
    {repo::EntryType::ENTRY_SYMLINK, S_IFLNK, "symlink"},
    {repo::EntryType::ENTRY_FIFO, S_IFIFO, "fifo"},
    {repo::EntryType::ENTRY_SOCKET, S_IFSOCK, "socket"},
    {repo::EntryType::ENTRY_CHARACTER_DEVICE, S_IFCHR, "character"},
    {repo::EntryType::ENTRY_BLOCK_DEVICE, S_IFBLK, "block"},
};

std::string_view type_name(repo::EntryType entry) {
  for (const Type& type : kTypes) {
    if (type.entry == entry) return type.name;
  }
  return "unknown";
}

std::string_view type_name(mode_t mode) {
  for (const Type& type : kTypes) {
    if (type.mode == (mode & S_IFMT)) return type.name;
  }
  return "unknown";
}

void add_size_and_hash(Line& line, std::uint64_t size, Sha256& hash) {
  line.add("size={}", size);
  if (size > 0) line.add("sha256={}", to_hex(hash.finish()));
}

void add_content(Line& line, repo::ChunkReader& reader, const repo::Entry& entry) {
  Sha256 hash;
  HoleList holes;
  const Bytes zeros(1 << 20);
  repo::ContentReader content{reader, entry};
  while (const auto piece = content.next()) {
    if (!piece->hole) {
      hash.update(piece->data);
      continue;
    }
    holes.add(piece->start, piece->bytes);
    for (std::uint64_t left = piece->bytes; left > 0;) {
      const std::uint64_t part = std::min<std::uint64_t>(left, zeros.size());
      hash.update(ByteView{zeros}.first(part));
      left -= part;
    }
  }
  add_size_and_hash(line, entry.size(), hash);
  holes.add_to(line);
}

void add_content(Line& line, const std::string& path) {
  const Fd fd = open_file(path, O_RDONLY);
  Sha256 hash;
  HoleList holes;
  Bytes buffer(1 << 20);
  std::uint64_t at = 0;
  while (const std::size_t count = read_at(fd.get(), buffer, at, path)) {
    const ByteView part = ByteView{buffer}.first(count);
    hash.update(part);
    holes.scan(part);
    at += count;
  }
  holes.end_run();
  add_size_and_hash(line, at, hash);
  holes.add_to(line);
}

void require(bool done, const std::string& path) {
  if (!done) throw system_error(errno, path);
}

void add_xattrs(Line& line, const std::string& path) {
  std::string names(65536, '\0');
  const ssize_t bytes = ::llistxattr(path.c_str(), names.data(), names.size());
  require(bytes >= 0, path);
  std::map<std::string, Bytes> values;
  for (ssize_t at = 0; at < bytes;) {
    const std::string name{names.data() + at};
    at += static_cast<ssize_t>(name.size()) + 1;
    Bytes value(65536);
    const ssize_t count = ::lgetxattr(path.c_str(), name.c_str(), value.data(), value.size());
    require(count >= 0, path);
    value.resize(static_cast<std::size_t>(count));
    values.emplace(name, std::move(value));
  }
  for (const auto& [name, value] : values) line.add_xattr(name, value);
}

class DirectoryDescriber {
 public:
  void visit(const std::string& path, const std::string& name) {
    struct ::stat there {};
    require(::lstat(path.c_str(), &there) == 0, path);
    Line line{shown(name), type_name(there.st_mode)};
    line.add_attributes(there.st_mode & 07777U, there.st_uid, there.st_gid, there.st_mtim.tv_sec,
                        there.st_mtim.tv_nsec);
    if (S_ISREG(there.st_mode)) add_content(line, path);
    if (S_ISLNK(there.st_mode)) {
      std::string target(PATH_MAX, '\0');
      const ssize_t length = ::readlink(path.c_str(), target.data(), target.size());
      require(length >= 0, path);
      target.resize(static_cast<std::size_t>(length));
      line.add("target={}", escape(target));
    }
    if (S_ISCHR(there.st_mode) || S_ISBLK(there.st_mode))
      line.add("device={},{}", major(there.st_rdev), minor(there.st_rdev));
    if (!S_ISDIR(there.st_mode) && there.st_nlink > 1) {
      const auto first = inodes_.try_emplace(there.st_ino, shown(name)).first->second;
      line.add("links={}:{}", there.st_nlink, first);
    }
    add_xattrs(line, path);
    lines.push_back(line.text());
    if (!S_ISDIR(there.st_mode)) return;
    std::vector<std::string> children;
    for (const auto& each : std::filesystem::directory_iterator{path})
      children.push_back(each.path().filename().string());
    std::sort(children.begin(), children.end());
    for (const std::string& child : children)
      visit(path + '/' + child, name.empty() ? child : name + '/' + child);
  }

  std::vector<std::string> lines;

 private:
  std::map<ino_t, std::string> inodes_;
};

}  // namespace

std::vector<std::string> snapshot_lines(repo::ChunkReader& reader, const repo::Entry& root) {
  std::vector<std::string> lines;
  std::map<std::uint64_t, std::string> groups;
  const auto describe = [&](const std::string& path, const repo::Entry& entry) {
    Line line{shown(path), type_name(entry.type())};
    line.add_attributes(entry.mode(), entry.uid(), entry.gid(), entry.mtime_s(), entry.mtime_ns());
    if (entry.type() == repo::EntryType::ENTRY_FILE) add_content(line, reader, entry);
    if (entry.type() == repo::EntryType::ENTRY_SYMLINK)
      line.add("target={}", escape(entry.symlink_target()));
    if (entry.type() == repo::EntryType::ENTRY_CHARACTER_DEVICE ||
        entry.type() == repo::EntryType::ENTRY_BLOCK_DEVICE)
      line.add("device={},{}", entry.device_major(), entry.device_minor());
    if (entry.link_group() != 0) {
      const auto first = groups.try_emplace(entry.link_group(), shown(path)).first->second;
      line.add("links={}:{}", entry.link_count(), first);
    }
    for (const auto& xattr : entry.xattrs())
      line.add_xattr(xattr.name(), repo::xattr_value(xattr, reader));
    lines.push_back(line.text());
    return repo::WalkStep::go_on;
  };
  describe({}, root);
  repo::for_each_entry(reader, root, {}, describe);
  return lines;
}

std::vector<std::string> directory_lines(const std::string& path) {
  DirectoryDescriber describer;
  describer.visit(path, {});
  return std::move(describer.lines);
}

}  // namespace vgerfs::testing
