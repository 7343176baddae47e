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
/// The barrier publishes locks, packs, index records, keys, snapshots and the config in this order,
/// each type durable before the next is named: not even half a barrier shows a reference before its
/// target. When it fails,
///
/// - writes whose bytes did not reach the disk, whose name is taken by other content, or whose
///   directory could not be synced (they are visible, their names perhaps not durable) are lost:
///   later barriers fail with the same error until they are written again or removed. Removing one
///   whose name was taken only gives up the write.
/// - all others stay as they were, and the next barrier publishes those not yet visible.
std::unique_ptr<Backend> open_local_backend(const std::string& path, LocalOptions options = {});

/// Makes the directory (and its parents) and the layout, all but the config, durably, and opens it.
/// Throws exists if there is a repository already, or a directory with anything in it.
std::unique_ptr<Backend> create_local_backend(const std::string& path, LocalOptions options = {});

}  // namespace vgerfs::backends
