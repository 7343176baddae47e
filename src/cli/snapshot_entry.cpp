#include "cli/snapshot_entry.h"

#include <utility>

#include "base/error.h"
#include "cli/output.h"
#include "repo/tree_walk.h"

namespace vgerfs::cli {

SnapshotEntry find_snapshot_entry(repo::Repository& repository, const std::string& text) {
  repo::SnapshotPath at =
      repo::resolve_snapshot(*repository.snapshots(), text, repository.options().host);
  const repo::Snapshot& snapshot = *at.snapshot.snapshot;
  auto entry = repo::find_path(repository.reader(), snapshot.root, at.path);
  if (!entry) {
    throw Error{ErrorCode::not_found,
                fmt::format("snapshot {} has no {}", snapshot.id.short_hex(), printable(at.path)),
                "vgerfs-admin ls shows what it holds"};
  }
  return {std::move(at), *std::move(entry)};
}

}  // namespace vgerfs::cli
