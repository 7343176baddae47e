// What a check found: values, to be printed, counted, and acted upon by a repair.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/ids.h"

namespace vgerfs::repo {

enum class Severity {
  note,     ///< nothing to worry about: what nothing needs
  warning,  ///< nothing is lost, but something is not as it should be
  error,    ///< stored bytes are damaged or missing
};
std::string_view to_string(Severity severity) noexcept;

enum class FindingKind {
  slot_unreadable,
  lease_unreadable,
  record_unreadable,
  record_invalid,  ///< a certified author wrote it, and it breaks the format or needs a newer
                   ///< program
  claims_ignored,  ///< an ingest author says what only a full one may say
  object_absent,   ///< an author claims to have seen it
  snapshot_unreadable,
  snapshot_unsupported,  ///< needs a newer program
  snapshot_revoked,
  snapshot_foreign,  ///< its author may not write for its host
  snapshot_damaged,  ///< files of it cannot be restored, and no pack is to blame
  pack_missing,
  pack_damaged,
  pack_unsupported,  ///< needs a newer program
  pack_unnamed,      ///< no record names it
  pack_dead,         ///< buried, still in the store
  entry_false,       ///< the pack is as its author wrote it, but not what a record says of it
};
/// Stable lower-case name ("pack_missing"), for `--json`.
std::string_view to_string(FindingKind kind) noexcept;
/// What to do, naming a command.
std::string_view advice(FindingKind kind) noexcept;

/// A file or directory that a damaged object hurts.
struct AffectedPath {
  SnapshotId snapshot;
  std::string path;
};

struct Finding {
  FindingKind kind{};
  Severity severity = Severity::error;
  std::string object;  ///< path of the object in the repository
  std::string what;
  std::vector<AffectedPath> affected;  ///< at most kMaxAffectedPaths of them
  std::uint64_t affected_count = 0;    ///< all of them; a subtree that cannot be read counts once
  std::vector<SnapshotId> snapshots;   ///< all that lost something by it
};
inline constexpr std::size_t kMaxAffectedPaths = 20;

/// Findings by object and kind: the first text counts, the greatest severity. One thread at a time.
class FindingList {
 public:
  Finding& add(FindingKind kind, Severity severity, const std::string& object, std::string what);
  /// Adds a path to a finding. A path comes once per finding, those of a snapshot one after
  /// another.
  static void affect(Finding& finding, const SnapshotId& snapshot, const std::string& path);
  /// Drops findings of packs that maintenance has buried meanwhile.
  void forget_packs(const std::function<bool(const std::string& object)>& is_buried);
  /// Null if there is none.
  Finding* find(FindingKind kind, const std::string& object);

  /// Errors first, then by object.
  std::vector<Finding> take();

 private:
  std::map<std::pair<std::string, FindingKind>, Finding> findings_;
};

}  // namespace vgerfs::repo
