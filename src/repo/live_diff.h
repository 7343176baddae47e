// What differs between a directory of a snapshot and one of the file system.
#pragma once

#include <functional>
#include <stop_token>
#include <string>

#include "repo/chunk_reader.h"
#include "repo/exclude.h"
#include "repo/file_failure.h"
#include "repo/tree_diff.h"

namespace vgerfs::repo {

struct LiveDiffOptions {
  std::string directory;
  Patterns exclude;           // of paths below both: not looked at
  bool read_content = false;  // else files of the same size count as the same content
  bool one_file_system = false;
  std::stop_token stop;
};

/// Calls `visit` for each difference below the two, as for_each_difference does; `after` is what
/// the file system has, without content and xattrs. What is on another file system is looked at
/// unless `one_file_system`, but never what shows the kernel's state (proc, sys, …). Returns the
/// files that could not be read. Throws what reading the repository throws; interrupted.
FileFailures compare_with_directory(ChunkReader& reader, const Entry& before,
                                    const LiveDiffOptions& options,
                                    const std::function<void(const TreeDifference&)>& visit);

}  // namespace vgerfs::repo
