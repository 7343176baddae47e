#include "repo/maintenance/removal.h"

#include <algorithm>
#include <map>
#include <span>

#include "base/error.h"
#include "repo/maintenance/maintainer.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

// Far below a record's limit of bytes: a removal takes less than 100, when others carry it, too.
constexpr std::size_t kRemovalsPerRecord = 20'000;

std::vector<SnapshotId> held_snapshots(Repository& repository) {
  std::vector<SnapshotId> held;
  for (const Annotation& annotation : repository.index().facts().annotations) {
    const auto* hold = std::get_if<Hold>(&annotation.property);
    if (hold != nullptr && hold->held) held.push_back(annotation.snapshot);
  }
  std::sort(held.begin(), held.end());
  return held;
}

}  // namespace

void require_not_held(Repository& repository, const std::vector<SnapshotId>& snapshots) {
  const std::vector<SnapshotId> held = held_snapshots(repository);
  for (const SnapshotId& id : snapshots) {
    if (!std::binary_search(held.begin(), held.end(), id)) continue;
    throw Error{ErrorCode::denied, fmt::format("snapshot {} is held", id.short_hex()),
                fmt::format("`vgerfs-admin release {}` lets it go", id.short_hex())};
  }
}

std::vector<SnapshotId> remove_snapshots(Repository& repository,
                                         const std::vector<SnapshotId>& snapshots) {
  return remove_snapshots(repository, repository.backend(), snapshots);
}

std::vector<SnapshotId> remove_snapshots(Repository& repository, backends::Backend& through,
                                         const std::vector<SnapshotId>& snapshots) {
  require_maintainer(repository);
  std::map<RecordId, std::span<const SnapshotId>> published;
  for (std::span<const SnapshotId> left{snapshots}; !left.empty();) {
    const auto part = left.first(std::min(left.size(), kRemovalsPerRecord));
    IndexRecord record;
    const std::int64_t now_s = repository.options().clock->now().s;
    for (const SnapshotId& id : part) record.facts.removals.push_back({id, now_s});
    published.emplace(publish_record(repository, std::move(record), through), part);
    left = left.subspan(part.size());
  }
  // Whoever holds a snapshot looks for its removal afterwards (annotation.cpp), so one of both
  // sees the other.
  repository.refresh();
  const std::vector<SnapshotId> held = held_snapshots(repository);
  IndexRecord undoing;
  std::vector<SnapshotId> removed;
  for (const auto& [record, part] : published) {
    Undo undo{record, {}};
    for (const SnapshotId& id : part) {
      if (std::binary_search(held.begin(), held.end(), id)) {
        undo.subjects.emplace_back(id.bytes());
      } else {
        removed.push_back(id);
      }
    }
    if (!undo.subjects.empty()) undoing.facts.undoes.push_back(std::move(undo));
  }
  if (!undoing.facts.undoes.empty()) {
    publish_record(repository, std::move(undoing), through);
    repository.refresh();
  }
  return removed;
}

}  // namespace vgerfs::repo
