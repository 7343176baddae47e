// Which directory of the file system becomes a snapshot's root, and which paths below it are backed
// up.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "repo/file_failure.h"

namespace vgerfs::repo {

/// A directory on the way to given paths, or a given path itself.
struct RootNode {
  bool given = false;   // all of it is wanted; else only the children
  bool follow = false;  // a symlink stands for what it points to: on the way, or given with a slash
                        // at its end
  std::map<std::string, std::unique_ptr<RootNode>, std::less<>> children;

  const RootNode* child(std::string_view name) const {
    const auto found = children.find(name);
    return found == children.end() ? nullptr : found->second.get();
  }
};

/// One directory: its contents are the root. Several paths, or a file: each under its absolute path
/// without the leading slash.
struct BackupRoots {
  std::string base;  // absolute
  RootNode root;
  std::vector<FileFailure> missing;  // given, but not there or not accessible
};

/// A path to back up cannot be had: throws not_found or denied, for any other reason FileError.
/// None of them is taken for a failure of the store.
[[noreturn]] void throw_root_error(int error_number, const std::string& path);

/// Throws as throw_root_error does if none of the paths is there.
BackupRoots plan_roots(const std::vector<std::string>& paths);

}  // namespace vgerfs::repo
