// The inodes of the ingest view, by number and by name: an overlay over the trees of each source's
// last snapshot. What nobody changed and nobody holds is not here; it is read again when asked for.
#pragma once

#include <cstdint>
#include <memory>
#include <mutex>
#include <string_view>
#include <unordered_map>

#include "fs/ingest_base.h"
#include "fs/ingest_node.h"

namespace vgerfs::fs {

/// All functions need `mutex` held; those that take the lock release it while they read the base.
/// See docs/LOCKING.md.
class IngestTree {
 public:
  std::mutex mutex;
  NamePool names;

  /// Throws FsError: ESTALE for a number that nobody has any more, or whose session is gone.
  InodePtr find(NodeId node) const;
  /// As `find`; ENOTDIR.
  InodePtr find_directory(NodeId node) const;

  /// Gives a new inode its numbers and its source.
  void adopt(const InodePtr& inode, IngestSource& source);

  /// The kernel gets, or gives back, look-up references.
  void reference(const InodePtr& inode);
  void forget(NodeId node, std::uint64_t count) noexcept;
  /// Lets go of an inode that nobody holds and that says only what the base says; and of its
  /// directories, likewise.
  void drop_unused(Inode& inode) noexcept;

  struct Found {
    InodePtr inode;        // null: there is no such name
    bool in_base = false;  // as Child::in_base
  };
  /// The name's inode, from the overlay or made from the base.
  Found resolve(std::unique_lock<std::mutex>& lock, const InodePtr& directory,
                std::string_view name);

  /// A new name; there is none yet in the overlay, or it is a whiteout. Marks what changes by it.
  void link(Inode& directory, std::string_view name, const InodePtr& inode, bool in_base);
  /// Takes a name that is there away. The inode's count is the caller's.
  void unlink(Inode& directory, std::string_view name);
  /// Takes the name out of the overlay: what the base says shows again.
  void revert(Inode& directory, std::string_view name);

  /// The inode's entry differs from the base from now on.
  void mark_dirty(Inode& inode);
  /// The journal has to be told about it.
  void mark_unjournaled(Inode& inode);

  /// A source's new root takes the place of the old, which is detached: a process may stand in it.
  void replace(const InodePtr& old_root, const InodePtr& new_root) noexcept;

  /// Takes an inode out of its source with everything below it: later requests for it find ESTALE.
  void detach(const InodePtr& inode) noexcept;

  /// Directories from the source's root down to this one, both counted.
  static std::size_t depth_of(const Inode& directory) noexcept;

  std::size_t size() const noexcept { return nodes_.size(); }

 private:
  void mark_below(Inode* directory);
  InodePtr attach(const InodePtr& directory, const repo::Entry& entry);

  BaseTree base_{std::size_t{16} << 20};
  std::unordered_map<NodeId, InodePtr> nodes_;  // those that the kernel or a handle refers to
  std::uint64_t next_number_ = 16;
};

}  // namespace vgerfs::fs
