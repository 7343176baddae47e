// What lies in a directory.
#pragma once

#include <dirent.h>

#include <memory>

namespace vgerfs {

struct CloseDirectory {
  void operator()(DIR* directory) const noexcept { ::closedir(directory); }
};
/// Of fdopendir(3), for readdir(3).
using DirectoryStream = std::unique_ptr<DIR, CloseDirectory>;

}  // namespace vgerfs
