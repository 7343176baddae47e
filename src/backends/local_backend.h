// A repository in a local directory. An object gets its name only when its bytes are on the disk:
// a write leaves a nameless file whose bytes the kernel carries to the disk at once, the barrier
// waits for them, names all files without replacing any, and makes the names durable.
#pragma once

#include <cstddef>
#include <memory>
#include <string>

#include "backends/backend.h"
#include "backends/pending_file.h"

namespace vgerfs::backends {

struct LocalOptions {
  /// Writes beyond so many before a barrier wait for the oldest one's bytes and keep it under a
  /// temporary name instead of an open descriptor. Nothing is ever published before its barrier.
  std::size_t max_open_files = 256;
  /// `named` is chosen by itself where nameless files are not to be had.
  Temporary temporary = preferred_temporary();
};

/// Opens the directory of a repository, which needs not have its config yet. Throws no_repository,
/// corrupt (a part of it is missing), denied.
///
/// A failed barrier:
/// - bytes that could not be carried to the disk are lost; so is a write whose name is taken by
/// different
///   content, and one whose directory could not be synced (it is visible, its name perhaps not
///   durable). Every later barrier fails with the same error until the object is written again with
///   success, or is removed by whoever gives it up. (Where the name was taken, `remove` gives up
///   the write and leaves the other object alone.)
/// - all other writes stay as they are, and the next barrier publishes those that are not visible
/// yet.
/// - types are published in the order locks, packs, index records, keys, snapshots, config, each
/// durable before the
///   next, so that even half a barrier does not show a reference before its target.
std::unique_ptr<Backend> open_local_backend(const std::string& path, LocalOptions options = {});

/// Makes the directory (and its parents) and the layout, all but the config, durably, and opens it.
/// Throws exists if there is a repository already, or a directory with anything in it.
std::unique_ptr<Backend> create_local_backend(const std::string& path, LocalOptions options = {});

/// Deletes files with our temporary names that were last changed more than a day before `now`: what
/// crashed writers left. Touches nothing else. Returns how many were deleted. The path must be that
/// of a repository.
std::size_t sweep_temporary_files(const std::string& path, Timestamp now);

}  // namespace vgerfs::backends
