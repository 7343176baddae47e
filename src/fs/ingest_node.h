// Inodes of the ingest view: what the last snapshot says, overlaid with what this session changed.
// Plain data; the tree (ingest_tree.h) keeps it consistent.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "fs/ingest_content.h"
#include "fs/types.h"
#include "repo/file_entry.h"
#include "repo/tree.h"

namespace vgerfs::fs {

class IngestSource;
struct Inode;
using InodePtr = std::shared_ptr<Inode>;

/// An xattr's value, or the blob chunk of the base that holds it.
struct XattrSlot {
  Bytes value;
  std::optional<ChunkId> chunk;
};
using Xattrs = std::map<std::string, XattrSlot, std::less<>>;

/// What the overlay knows of one name in a directory.
struct Child {
  InodePtr inode;        // null: the name is gone, whatever the base says
  bool in_base = false;  // the base has, or may have, an entry of this name
};

struct Directory {
  std::optional<ChunkId> base;   // its subtree in the last snapshot
  std::uint64_t generation = 0;  // changes with `base`
  /// Names that are not here are as in the base. Clean inodes are here while somebody holds them.
  std::map<std::string, Child, std::less<>> children;
  std::vector<std::string> unjournaled;  // names changed since the last journal transaction
};

/// One name of an inode: its directory and the key in that directory's `children`.
struct Link {
  Inode* parent = nullptr;
  const std::string* name = nullptr;
};

/// All of it is guarded by the tree's mutex but what `content` points to.
struct Inode : std::enable_shared_from_this<Inode> {
  NodeId node = 0;
  std::uint64_t number = 0;        // st_ino
  IngestSource* source = nullptr;  // null: gone with its session; every request answers ESTALE

  mode_t mode = 0;  // type and permission bits
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
  Timestamp mtime;
  Timestamp ctime;
  std::uint64_t bytes = 0;
  std::uint64_t hole_bytes = 0;
  // Owner's names as the base has them, in the tree's pool; null: to be asked at commit.
  const std::string* user = nullptr;
  const std::string* group = nullptr;
  std::unique_ptr<Xattrs> xattrs;       // null: none
  std::unique_ptr<std::string> target;  // symlinks

  std::uint64_t link_group = 0;  // as in the last snapshot; 0: none
  std::uint32_t link_count =
      1;  // as the last writer saw it, and changes since: other names may lie in the base
  std::vector<Link> links;  // known names; directories have one, roots none

  std::shared_ptr<const StoredContent> stored;  // files; null: empty or in `content`
  std::shared_ptr<FileContent> content;         // files being written; then it counts, not `stored`
  std::unique_ptr<Directory> directory;         // directories

  std::uint64_t lookups = 0;  // references of the kernel
  std::uint32_t handles = 0;  // open
  bool dirty = false;         // its own entry differs from the base, or it has a new name
  bool dirty_below = false;   // directories: something in it or below differs
  bool content_changed = false;

  std::uint64_t journal_number = 0;  // its name in the journal; 0: not there yet
  bool journal_pending = false;      // is in the source's list of changed inodes
  bool journal_content = true;       // `stored` is not in the journal yet

  bool is_directory() const noexcept { return directory != nullptr; }
  bool is_file() const noexcept;
  bool changed() const noexcept { return dirty || dirty_below; }
};

/// Strings that many inodes share. Guarded by the tree's mutex.
class NamePool {
 public:
  const std::string* intern(const std::string& name) {
    return name.empty() ? nullptr : &*names_.insert(name).first;
  }

 private:
  std::unordered_set<std::string> names_;  // its elements never move
};

/// An inode without numbers, source and links, as the entry says.
InodePtr inode_of_entry(const repo::Entry& entry, NamePool& names);
/// Everything but name, links' group, content and subtree; xattr values as they are, even long
/// ones.
void fill_entry(repo::Entry& entry, const Inode& inode);
/// Content of a file's entry, not resolved.
std::shared_ptr<const StoredContent> stored_content_of(const repo::Entry& entry);
/// Sets size and extents.
void fill_content(repo::Entry& entry, const StoredContent& stored);

Attributes attributes_of(const Inode& inode);

/// st_ino of a name in the base that nobody has looked up yet: the same at every look-up.
std::uint64_t number_of_base_entry(std::uint64_t directory_number, std::string_view source,
                                   const repo::Entry& entry);

}  // namespace vgerfs::fs
