#include "fs/types.h"

#include <sys/stat.h>

namespace vgerfs::fs {

bool offer_dots(std::uint64_t inode, std::uint64_t parent_inode, std::uint64_t cookie,
                const DirectorySink& sink) {
  DirectoryItem item;
  item.attributes.mode = S_IFDIR;
  if (cookie < 1) {
    item.name = ".";
    item.next_cookie = 1;
    item.attributes.inode = inode;
    if (!sink(item)) return false;
  }
  if (cookie < kFirstCookie) {
    item.name = "..";
    item.next_cookie = kFirstCookie;
    item.attributes.inode = parent_inode;
    if (!sink(item)) return false;
  }
  return true;
}

}  // namespace vgerfs::fs
