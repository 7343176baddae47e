// Reading directories of a file system for a walk in order of names, however deep they lie and
// however many names they have.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/fd.h"

namespace vgerfs::repo {

/// Names packed into one piece of memory.
class NameList {
 public:
  void add(std::string_view name);
  /// By bytes, unsigned: the order of trees.
  void sort();

  std::size_t size() const noexcept { return starts_.size(); }
  /// Ends with NUL; valid until the list changes.
  const char* operator[](std::size_t i) const { return text_.data() + starts_[i]; }
  bool contains(std::string_view name) const noexcept;  // of a sorted list

 private:
  std::string text_;
  std::vector<std::size_t> starts_;
};

/// What is in a directory, sorted, without "." and "..". `error_number` is not 0 if reading broke
/// off; the names until then are there.
struct Listing {
  NameList names;
  int error_number = 0;
};
Listing list_directory(int fd);

/// Attributes of a name in a directory, links not followed; nullopt if it is gone. Throws
/// FileError.
std::optional<struct ::stat> stat_at(int directory, const char* name);

/// True for file systems that show the kernel's state instead of files (proc, sysfs, cgroup…): not
/// for backups.
bool is_kernel_file_system(int fd);

/// The directories from a walk's root to where it stands. Holds few descriptors whatever the depth:
/// those of the upper and the lower levels; one in between is opened again when the walk comes back
/// to it, and only if it is the same directory. One thread; the descriptors that it hands out may
/// be used by others.
class DirectoryPath {
 public:
  /// How a directory was reached from its parent: also when it is opened again.
  enum class Links { never_followed, followed };

  /// `attributes` are those of the descriptor, here and below.
  DirectoryPath(Fd root, const struct ::stat& attributes);

  /// Steps into a directory that the caller has opened.
  void enter(std::string name, Fd directory, const struct ::stat& attributes,
             Links links = Links::never_followed);
  void leave();

  /// 1 at the root.
  std::size_t depth() const noexcept { return levels_.size(); }
  /// The directory where the walk stands, for calls with names in it (it may be an O_PATH
  /// descriptor). Throws FileError if it had to be opened again and is not where it was.
  std::shared_ptr<const Fd> current();

 private:
  struct Level {
    std::string name;
    Links links;
    dev_t device;
    ino_t inode;
    std::shared_ptr<const Fd> fd;  // null: closed to save descriptors
  };
  bool reopen(Level& level, int directory, const std::string& name, Links links) const;

  std::vector<Level> levels_;
  Fd left_;  // the directory left last: its parent is one ".." away
};

}  // namespace vgerfs::repo
