// What the file system says of a file, as a tree entry: attributes, xattrs (ACLs and file
// capabilities are xattrs), symlink target. Content is the caller's.
#pragma once

#include <sys/stat.h>
#include <sys/types.h>

#include <cstdint>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/fd.h"
#include "format/tree.pb.h"
#include "repo/chunk.h"
#include "repo/tree.h"

namespace vgerfs::repo {

/// Names of users and groups by number, asked once each (the answer may come over a network).
/// Thread-safe.
class OwnerNames {
 public:
  /// Empty if nobody knows the number. Valid as long as this object.
  const std::string& user(uid_t uid);
  const std::string& group(gid_t gid);

 private:
  template <class Number, class Lookup>
  const std::string& name_of(std::unordered_map<Number, std::string>& names, Number number,
                             Lookup lookup);

  std::mutex mutex_;
  std::unordered_map<uid_t, std::string> users_;   // guarded by mutex_
  std::unordered_map<gid_t, std::string> groups_;  // guarded by mutex_
};

/// ENTRY_UNSPECIFIED for a type of file that trees do not have.
EntryType entry_type(mode_t mode) noexcept;
/// The type bits of st_mode.
mode_t file_type_bits(EntryType type) noexcept;

Timestamp mtime_of(const struct ::stat& attributes) noexcept;
Timestamp ctime_of(const struct ::stat& attributes) noexcept;
Timestamp mtime_of(const Entry& entry) noexcept;
Timestamp ctime_of(const Entry& entry) noexcept;

/// Type, mode, owner, times, device numbers. Leaves name, size, links, xattrs and content alone.
void set_attributes(Entry& entry, const struct ::stat& attributes, OwnerNames& names);
/// Owner's and group's name by the numbers that the entry has.
void set_owner_names(Entry& entry, OwnerNames& names);

/// A non-zero number that the links of one inode share and other inodes do not. `device` is any
/// number that tells the devices of one walk apart.
std::uint64_t link_group_of(std::uint64_t device, ino_t inode) noexcept;

/// How a file is held: open for reading, or by O_PATH (then the calls go through /proc/self/fd).
enum class Access { open, path };

/// Opens without moving the access time where this user may; O_NOFOLLOW and O_CLOEXEC are added.
/// Throws FileError.
Fd open_source(int directory, const char* name, int flags, uid_t owner);

/// The attributes of an open file. Throws FileError.
struct ::stat stat_of(int fd);

struct XattrValue {
  std::string name;
  Bytes value;
};
/// All xattrs that this user may see, in order of names. Empty where the file system has none.
/// Throws FileError.
std::vector<XattrValue> read_xattrs(int fd, Access access);
/// False for names of our own that are views of the repository, not data: user.vgerfs.*.
bool is_stored_xattr(std::string_view name) noexcept;
/// Puts them into the entry, long values as chunks.
void add_xattrs(Entry& entry, const std::vector<XattrValue>& xattrs, ChunkSink& sink);

/// Target of a symlink held by O_PATH. Throws FileError.
std::string read_link(int fd);

}  // namespace vgerfs::repo
