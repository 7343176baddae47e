#include "repo/maintenance/undelete.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/maintenance/closure.h"
#include "repo/maintenance/exclusive_lease.h"
#include "repo/maintenance/maintainer.h"
#include "repo/maintenance/removal.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

std::vector<SnapshotRemoval> removals_of(Repository& repository, const SnapshotId& id) {
  std::vector<SnapshotRemoval> removals = repository.index().facts().removals;
  std::erase_if(removals, [&](const SnapshotRemoval& other) { return other.snapshot != id; });
  return removals;
}

/// By what the removals say and by when the store received them, where it tells; true only if it is
/// so by everybody's clock. A time that has not come says nothing.
bool within_grace(Repository& repository, const std::vector<SnapshotRemoval>& removals,
                  std::int64_t grace_s) {
  const std::int64_t now_s = repository.options().clock->now().s;
  const auto young = [&](std::int64_t time_s) {
    return time_s <= now_s + kMaxClockSkew_s && now_s - time_s < grace_s - kMaxClockSkew_s;
  };
  return std::all_of(removals.begin(), removals.end(), [&](const SnapshotRemoval& removal) {
    if (!young(removal.time_s)) return false;
    const auto info = repository.backend().stat(format::record_name(*removal.origin));
    return !info || !info->stored_at || young(info->stored_at->s);
  });
}

/// `through`: the repository's store, under the lease if there is one.
void undo(Repository& repository, backends::Backend& through, const SnapshotId& id,
          const std::vector<SnapshotRemoval>& removals) {
  IndexRecord record;
  for (const SnapshotRemoval& removal : removals) {
    record.facts.undoes.push_back({*removal.origin, {ObjectId{id.bytes()}}});
  }
  publish_record(repository, std::move(record), through);
}

/// Maintenance that loaded its state before the undo may have deleted the object all the same.
void keep_object(backends::Backend& through, const SnapshotId& id, const Bytes& stored) {
  if (through.stat(format::snapshot_name(id))) return;
  backends::write_object(through, format::ObjectType::snapshot, stored);
  through.barrier();
}

Bytes read_object_of(Repository& repository, const SnapshotId& id) {
  try {
    return backends::read_object(repository.backend(), format::snapshot_name(id),
                                 kMaxSnapshotBytes);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error{ErrorCode::not_found,
                fmt::format("snapshot {} is gone: maintenance deleted its object", id.short_hex()),
                "a copy of the repository may still have it"};
  }
}

void remove_again(Repository& repository, const SnapshotId& id) {
  try {
    remove_snapshots(repository, {id});
  } catch (Error& error) {
    error.add_context(fmt::format(
        "snapshot {} was brought back, but it may lack data and could not be removed again",
        id.short_hex()));
    throw;
  }
}

void require_checkable(const Snapshot& snapshot) {
  if (snapshot.kind == kTreeSnapshot) return;
  throw Error{ErrorCode::unsupported,
              fmt::format("snapshot {} is of a kind that this version cannot check: the grace time "
                          "is over, some of its data may be gone",
                          snapshot.id.short_hex()),
              "use a newer version of vgerfs"};
}

[[noreturn]] void throw_incomplete(const SnapshotId& id, const ClosureReport& report) {
  std::string pieces;
  for (const MissingPiece& piece : report.missing) {
    pieces += fmt::format("\n  {}: {}", piece.path.empty() ? "/" : piece.path, piece.what);
  }
  if (report.missing_count > report.missing.size()) {
    pieces += fmt::format("\n  and {} more", report.missing_count - report.missing.size());
  }
  throw Error{ErrorCode::corrupt,
              fmt::format("snapshot {} cannot be brought back, some of its data is gone:{}",
                          id.short_hex(), pieces),
              "the grace time was over, or maintenance kept a shorter one; it stays removed"};
}

/// Maintenance may have deleted anything that the snapshot needs. Certain with the exclusive lease
/// held.
void require_whole(Repository& repository, const Snapshot& snapshot, const std::stop_token& stop) {
  require_checkable(snapshot);
  const ClosureReport report = check_closure(repository, snapshot.root, stop);
  if (report.missing_count > 0) throw_incomplete(snapshot.id, report);
}

}  // namespace

Timestamp promised_until(const RemovedSnapshot& removed, std::int64_t grace_s) {
  VGERFS_CHECK(!removed.removals.empty());
  const auto first = std::min_element(
      removed.removals.begin(), removed.removals.end(),
      [](const SnapshotRemoval& a, const SnapshotRemoval& b) { return a.time_s < b.time_s; });
  return {first->time_s + grace_s, 0};
}

ListedSnapshot undelete(Repository& repository, const SnapshotId& id,
                        const UndeleteOptions& options) {
  require_maintainer(repository);
  repository.refresh();
  std::unique_ptr<ExclusiveLease> lease;
  if (!within_grace(repository, removals_of(repository, id), options.grace_s)) {
    lease = ExclusiveLease::acquire(repository);
  }
  const std::vector<SnapshotRemoval> removals = removals_of(repository, id);
  if (removals.empty()) {
    throw Error{ErrorCode::not_found, fmt::format("snapshot {} is not removed", id.short_hex())};
  }
  const Bytes stored = read_object_of(repository, id);
  const Snapshot snapshot = open_snapshot(id, stored, repository.keyring());
  if (lease) require_checkable(snapshot);
  backends::Backend& through = lease ? lease->backend() : repository.backend();
  undo(repository, through, id, removals);
  keep_object(through, id, stored);
  repository.refresh();
  // The grace time may have passed before the undo was there to be seen: a suspended laptop.
  if (lease || !within_grace(repository, removals, options.grace_s)) {
    try {
      if (!lease) {
        lease = ExclusiveLease::acquire(repository);
        keep_object(lease->backend(), id, stored);
      }
      require_whole(repository, snapshot, options.stop);
      // Else maintenance may have begun meanwhile, with a state in which it is removed.
      lease->require_held();
    } catch (...) {
      remove_again(repository, id);  // nobody knows whether it is whole, or it is known not to be
      throw;
    }
  } else if (snapshot.kind == kTreeSnapshot) {
    // Somebody may have compacted with a shorter grace time, or without any.
    try {
      require_whole(repository, snapshot, options.stop);
    } catch (Error& error) {
      if (error.code() == ErrorCode::corrupt) {
        remove_again(repository, id);
      } else {
        error.add_context(
            fmt::format("snapshot {} was brought back, but not looked through", id.short_hex()));
      }
      throw;
    }
  }
  const auto list = repository.snapshots();
  const auto found =
      std::find_if(list->snapshots.begin(), list->snapshots.end(),
                   [&](const ListedSnapshot& listed) { return listed.snapshot->id == id; });
  if (found == list->snapshots.end()) {
    throw Error{
        ErrorCode::busy,
        fmt::format("snapshot {} was removed again, or its key was revoked", id.short_hex())};
  }
  return *found;
}

}  // namespace vgerfs::repo
