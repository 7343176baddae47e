// The root directory of the mount: attaches the views that this mount has.
//
//     snapshots/ ids/   the browse view        ingest/   the ingest view       .vgerfs/   control
#pragma once

#include <atomic>
#include <string>
#include <string_view>
#include <vector>

#include "fs/browse_fs.h"
#include "fs/control_fs.h"
#include "fs/ingest_fs.h"
#include "fs/types.h"

namespace vgerfs::fs {

/// The views of a mount; null: it does not have it. They outlive whoever holds this.
struct Views {
  BrowseFs* browse = nullptr;
  IngestFs* ingest = nullptr;
  ControlFs* control = nullptr;
};

inline constexpr std::string_view kIngestName = "ingest";
inline constexpr std::string_view kControlName = ".vgerfs";

/// Node 1. Thread-safe. The functions are those of the views, as far as a directory has them.
class MountRoot {
 public:
  MountRoot(Views views, uid_t owner_uid, gid_t owner_gid, Timestamp time);

  NodeReply lookup(NodeId parent, std::string_view name);
  void forget(NodeId node, std::uint64_t count) noexcept;
  Attributes get_attributes(NodeId node);
  std::string read_link(NodeId node);
  void read_directory(NodeId node, std::uint64_t cookie, bool with_attributes,
                      const DirectorySink& sink);
  Bytes get_xattr(NodeId node, std::string_view name);
  std::vector<std::string> list_xattrs(NodeId node);

  /// The directory `ingest/` itself, once the kernel knows it; else 0.
  NodeId ingest_root() const noexcept { return ingest_root_.load(std::memory_order_relaxed); }

 private:
  void give_back(NodeId node) noexcept;

  const Views views_;
  const uid_t owner_uid_;
  const gid_t owner_gid_;
  const Timestamp time_;
  std::atomic<NodeId> ingest_root_ = 0;
};

}  // namespace vgerfs::fs
