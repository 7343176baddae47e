// Snapshots as listed: lines of (host, source) in order of time, their names, and how a user names
// one.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"
#include "base/ids.h"
#include "repo/snapshot.h"

namespace vgerfs::repo {

/// A snapshot as listed. `line_time` orders a line: the earlier of manifest and store time.
struct ListedSnapshot {
  std::shared_ptr<const Snapshot> snapshot;
  std::optional<Timestamp> stored_at;
  Timestamp line_time;
  std::string time_name;          // unique in its line: "2026-11-20T23.10.05Z", "….2"
  std::vector<std::string> tags;  // the snapshot's, or those that a record set instead
  bool held = false;              // maintenance must not remove it
};

/// A snapshot object that could not be opened: shown, never silently left out.
struct UnreadableSnapshot {
  SnapshotId id;
  std::string reason;
  Supported supported;  // what it leaves to this client
};

struct SnapshotList {
  std::vector<ListedSnapshot> snapshots;  // by (host, source, line_time, id); not removed
  std::vector<UnreadableSnapshot> unreadable;
  std::vector<SnapshotId> revoked;  // signed by a revoked author and not among the survivors
  std::vector<SnapshotId> ids;      // every object listed, removed ones too; sorted
};

/// Some of the snapshots of a list; empty: all.
struct SnapshotFilter {
  std::vector<std::string> hosts;
  std::vector<std::string> sources;
  std::vector<std::string> tags;  ///< those that have all of them

  bool matches(const ListedSnapshot& listed) const;
};

/// Line time from manifest and store time.
ListedSnapshot listed(std::shared_ptr<const Snapshot> snapshot, std::optional<Timestamp> stored_at);
/// Sets tags and holds as the annotations in force say.
void annotate(SnapshotList& list, const std::vector<Annotation>& annotations);
/// Whether every revocation lets the snapshot survive.
bool counts(const Snapshot& snapshot, const std::vector<Revocation>& revocations);
/// Sorts and gives the time names: by (nanosecond time, id) among those of one second of a line.
void arrange(SnapshotList& list);

/// The newest of a line; null if it has none. Snapshots that belong to no line never count.
const ListedSnapshot* latest_of(const SnapshotList& list, std::string_view host,
                                std::string_view source);

struct SnapshotPath {
  ListedSnapshot snapshot;
  std::string path;  // without leading slash; empty: the root
};

/// Resolves SNAPSHOT[:PATH]: id prefix | `latest` | `latest:[HOST/]SOURCE` | time name. After
/// `latest:` the first part is always a source, a path follows the next colon. Throws usage with a
/// hint when it is ambiguous, not_found.
SnapshotPath resolve_snapshot(const SnapshotList& list, std::string_view text,
                              std::string_view this_host);

}  // namespace vgerfs::repo
