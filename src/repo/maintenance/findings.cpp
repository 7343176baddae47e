#include "repo/maintenance/findings.h"

#include <algorithm>

namespace vgerfs::repo {

std::string_view to_string(Severity severity) noexcept {
  switch (severity) {
    case Severity::note: return "note";
    case Severity::warning: return "warning";
    case Severity::error: return "error";
  }
  return "error";
}

std::string_view to_string(FindingKind kind) noexcept {
  switch (kind) {
    case FindingKind::slot_unreadable: return "slot_unreadable";
    case FindingKind::lease_unreadable: return "lease_unreadable";
    case FindingKind::record_unreadable: return "record_unreadable";
    case FindingKind::record_invalid: return "record_invalid";
    case FindingKind::claims_ignored: return "claims_ignored";
    case FindingKind::object_absent: return "object_absent";
    case FindingKind::snapshot_unreadable: return "snapshot_unreadable";
    case FindingKind::snapshot_unsupported: return "snapshot_unsupported";
    case FindingKind::snapshot_revoked: return "snapshot_revoked";
    case FindingKind::snapshot_foreign: return "snapshot_foreign";
    case FindingKind::snapshot_damaged: return "snapshot_damaged";
    case FindingKind::pack_missing: return "pack_missing";
    case FindingKind::pack_damaged: return "pack_damaged";
    case FindingKind::pack_unsupported: return "pack_unsupported";
    case FindingKind::pack_unnamed: return "pack_unnamed";
    case FindingKind::pack_dead: return "pack_dead";
    case FindingKind::entry_false: return "entry_false";
  }
  return "unknown";
}

std::string_view advice(FindingKind kind) noexcept {
  switch (kind) {
    case FindingKind::slot_unreadable:
      return "get it back from a copy of the repository, or give that user a new one: "
             "`vgerfs-admin "
             "key add`";
    case FindingKind::lease_unreadable:
      return "it counts as live for a day; `vgerfs-admin lock list` shows it";
    case FindingKind::record_unreadable:
      return "get it back from a copy of the repository, or rebuild what it said from the packs: "
             "`vgerfs-admin rebuild-index`";
    case FindingKind::record_invalid:
      return "use a newer version of vgerfs; if there is none, find out what the client that wrote "
             "it is doing: `vgerfs-admin key list`";
    case FindingKind::claims_ignored:
      return "find out what that client is doing; `vgerfs-admin key list` shows its key";
    case FindingKind::object_absent:
      return "get it back from a copy of the repository; if it is an index record, `vgerfs-admin "
             "rebuild-index` makes it anew; if it is a snapshot, `vgerfs-admin repair` goes on "
             "without it";
    case FindingKind::snapshot_unreadable:
      return "put it back from a copy of the repository, or give the snapshot up: `vgerfs-admin "
             "delete` with its full id; until then `vgerfs-admin compact` stops";
    case FindingKind::pack_unsupported:
    case FindingKind::snapshot_unsupported:
      return "use a newer version of vgerfs: `vgerfs-admin version` prints this one";
    case FindingKind::snapshot_revoked:
      return "it is not shown; `vgerfs-admin delete` with its full id removes it";
    case FindingKind::snapshot_foreign:
      return "it is never the latest; `vgerfs-admin delete` removes it";
    case FindingKind::snapshot_damaged:
      return "`vgerfs-admin repair` looks for what is lost; `vgerfs-admin backup --read-all` of "
             "the "
             "same files brings it back";
    case FindingKind::pack_missing:
    case FindingKind::pack_damaged:
      return "get it back from a copy of the repository, or save what is left: `vgerfs-admin "
             "repair`, then back up the same files again";
    case FindingKind::pack_unnamed:
      return "`vgerfs-admin rebuild-index` adds what is intact, `vgerfs-admin compact` removes "
             "what "
             "nothing needs";
    case FindingKind::pack_dead: return "`vgerfs-admin compact` removes it";
    case FindingKind::entry_false:
      return "readers do not trust it; find out what the client that wrote it is doing, then "
             "`vgerfs-admin repair`";
  }
  return {};
}

Finding& FindingList::add(FindingKind kind, Severity severity, const std::string& object,
                          std::string what) {
  const auto [found, added] = findings_.try_emplace({object, kind});
  Finding& finding = found->second;
  if (added) {
    finding.kind = kind;
    finding.severity = severity;
    finding.object = object;
    finding.what = std::move(what);
  }
  finding.severity = std::max(finding.severity, severity);
  return finding;
}

void FindingList::affect(Finding& finding, const SnapshotId& snapshot, const std::string& path) {
  ++finding.affected_count;
  if (finding.affected.size() < kMaxAffectedPaths) finding.affected.push_back({snapshot, path});
  if (finding.snapshots.empty() || finding.snapshots.back() != snapshot) {
    finding.snapshots.push_back(snapshot);
  }
}

void FindingList::forget_packs(const std::function<bool(const std::string& object)>& is_buried) {
  std::erase_if(findings_, [&](const auto& item) { return is_buried(item.second.object); });
}

Finding* FindingList::find(FindingKind kind, const std::string& object) {
  const auto found = findings_.find({object, kind});
  return found == findings_.end() ? nullptr : &found->second;
}

std::vector<Finding> FindingList::take() {
  std::vector<Finding> all;
  for (auto& [key, finding] : findings_) all.push_back(std::move(finding));
  findings_.clear();
  std::stable_sort(all.begin(), all.end(),
                   [](const Finding& a, const Finding& b) { return a.severity > b.severity; });
  return all;
}

}  // namespace vgerfs::repo
