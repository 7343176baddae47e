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

/// Throws not_found or denied if none of the paths is there.
BackupRoots plan_roots(const std::vector<std::string>& paths);

}  // namespace vgerfs::repo
