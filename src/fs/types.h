// What the two views of the mount and the FUSE binding say to each other, without FUSE types.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <exception>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/clock.h"

namespace vgerfs::fs {

/// The number by which the kernel knows a node of the mount. Never reused while the kernel may hold
/// it.
using NodeId = std::uint64_t;
inline constexpr NodeId kRootNode = 1;

/// Node numbers are split by view, so that one look at the number routes a request.
enum class View : std::uint8_t { browse = 0, control = 1, ingest = 2 };
constexpr NodeId node_in(View view, std::uint64_t number) noexcept {
  return (static_cast<std::uint64_t>(view) << 60U) | number;
}
constexpr View view_of(NodeId node) noexcept { return static_cast<View>((node >> 60U) & 0xFU); }

/// An errno for the kernel. Thrown by the views, mapped to a reply in one place.
class FsError : public std::exception {
 public:
  explicit FsError(int error_number) : error_number_(error_number) {}
  int error_number() const noexcept { return error_number_; }
  const char* what() const noexcept override { return "file system error"; }

 private:
  int error_number_;
};

struct Attributes {
  std::uint64_t inode = 0;  // st_ino; stable
  mode_t mode = 0;          // type and permission bits
  std::uint32_t link_count = 1;
  uid_t uid = 0;
  gid_t gid = 0;
  std::uint64_t size = 0;
  std::uint64_t blocks = 0;  // of 512 bytes
  Timestamp atime;
  Timestamp mtime;
  Timestamp ctime;
  std::uint32_t device_major = 0;
  std::uint32_t device_minor = 0;
};

/// A found or made node. The kernel holds one look-up reference for each that is replied.
struct NodeReply {
  NodeId node = 0;
  Attributes attributes;
};

/// Who asks. `groups` is filled only when a view asks the binding for it.
struct Caller {
  uid_t uid = 0;
  gid_t gid = 0;
  pid_t pid = 0;
  mode_t umask = 0;
};

using HandleId = std::uint64_t;

/// One directory entry handed to the binding; false: the reply is full, this entry was not taken.
struct DirectoryItem {
  std::string_view name;
  std::uint64_t next_cookie =
      0;  // where reading goes on after this entry; stays valid while entries vanish
  Attributes attributes;  // inode and type at least; all of it when `node` is set
  NodeId node = 0;  // set for readdirplus: a look-up reference is taken if the item is accepted
};
using DirectorySink = std::function<bool(const DirectoryItem&)>;

/// The cookie of the first entry after "." and "..", which have 0 and 1.
inline constexpr std::uint64_t kFirstCookie = 2;
/// Offers "." and ".." unless `cookie` lies behind them; false if the reply is full. The kernel
/// takes no look-up reference for them.
bool offer_dots(std::uint64_t inode, std::uint64_t parent_inode, std::uint64_t cookie,
                const DirectorySink& sink);

struct FsStatistics {
  std::uint64_t block_bytes = 4096;
  std::uint64_t blocks = 0;
  std::uint64_t free_blocks = 0;
};

}  // namespace vgerfs::fs
