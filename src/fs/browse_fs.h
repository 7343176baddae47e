// The read-only view: every snapshot as a directory. Lazy: making it reads no tree, a directory is
// read when it is entered. See docs/ARCHITECTURE.md.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "fs/browse_file.h"
#include "fs/browse_node_table.h"
#include "fs/browse_refresher.h"
#include "fs/browse_source.h"
#include "fs/damage_log.h"
#include "fs/lru_map.h"
#include "fs/types.h"

namespace vgerfs::fs {

struct BrowseOptions {
  uid_t owner_uid = 0;  // of the directories above the snapshots
  gid_t owner_gid = 0;
  RefreshTiming timing;
  const Clock* clock = &system_clock();
};

/// Many threads may call every function at once. Failures are FsError: a damaged or missing object
/// is EIO for the file that needs it, and is logged once. Names in the root: `snapshots` and `ids`.
///
/// Files and directories have no handles: what reading them needs is kept in small caches by node,
/// so that the kernel may leave out OPEN and OPENDIR.
class BrowseFs {
 public:
  BrowseFs(std::unique_ptr<BrowseSource> source, BrowseOptions options);
  ~BrowseFs();

  NodeReply lookup(NodeId parent, std::string_view name);
  void forget(NodeId node, std::uint64_t count) noexcept;
  Attributes get_attributes(NodeId node);
  std::string read_link(NodeId node);

  /// Throws FsError{EROFS} unless it is for reading only.
  void open_file(NodeId node, int flags);
  FileBytes read(NodeId node, std::uint64_t offset, std::uint64_t size);
  /// SEEK_DATA / SEEK_HOLE.
  std::uint64_t seek(NodeId node, std::uint64_t offset, bool data);

  /// "." and ".." come first, with `node` 0: the kernel takes no reference for them. Cookie 0
  /// begins anew.
  void read_directory(NodeId node, std::uint64_t cookie, bool with_attributes,
                      const DirectorySink& sink);
  /// Stored attributes, and `user.vgerfs.snapshot`, which is not listed. Throws FsError{ENODATA}.
  Bytes get_xattr(NodeId node, std::string_view name);
  std::vector<std::string> list_xattrs(NodeId node);

  /// Whether names in this directory, and its attributes, change by themselves.
  static bool changes(NodeId node) noexcept { return BrowseNodeTable::is_catalog(node); }
  /// Looks for new snapshots at once.
  void refresh_now();
  /// Shows the snapshots that this process has made itself.
  void adopt();
  /// Told of names that are no longer what the kernel may remember. Must not wait for anything. Set
  /// before the first request.
  void set_invalidate(std::function<void(NodeId parent, std::string_view name)> invalidate);

  std::vector<std::string> damage() const { return damage_.recent(); }
  std::size_t nodes_held() const { return nodes_.size(); }

 private:
  template <class Work>
  auto guarded(const BrowseNode& node, Work work);
  NodeReply reply(NodePointer node);
  Attributes attributes(const BrowseNode& node);
  NodePointer find_in_catalog(const NodePointer& directory, std::string_view name);
  NodePointer find_in_tree(const NodePointer& directory, std::string_view name);
  std::uint64_t blocks_of(const BrowseNode& directory, const repo::Entry& entry);
  std::shared_ptr<BrowseFile> file(NodeId id, const BrowseNode& node);
  void read_catalog(const NodePointer& directory, std::uint64_t cookie, bool with_attributes,
                    const DirectorySink& sink);
  void read_tree(NodeId id, const NodePointer& directory, std::uint64_t cookie,
                 bool with_attributes, const DirectorySink& sink);
  bool offer(const NodePointer& node, std::uint64_t next_cookie, bool with_attributes,
             const DirectorySink& sink);
  void catalog_changed(const Catalog::Changes& changes);

  const std::unique_ptr<BrowseSource> source_;
  const BrowseOptions options_;
  BrowseNodeTable nodes_;
  DamageLog damage_;
  std::function<void(NodeId, std::string_view)> invalidate_;

  std::mutex mutex_;  // guards the two below; a leaf
  LruMap<NodeId, std::shared_ptr<BrowseFile>> files_;
  LruMap<std::pair<NodeId, std::uint64_t>, std::string>
      bookmarks_;              // the last name before a cookie
  BrowseRefresher refresher_;  // last: its thread uses all above
};

}  // namespace vgerfs::fs
