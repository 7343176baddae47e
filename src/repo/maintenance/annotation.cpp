#include "repo/maintenance/annotation.h"

#include <algorithm>
#include <map>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/maintainer.h"

namespace vgerfs::repo {
namespace {

// A record stays far below its limit.
constexpr std::size_t kMaxWeightPerRecord = std::size_t{1} << 20;

Timestamp next_after(Timestamp time) {
  constexpr std::uint32_t kLastNs = 999'999'999;
  return time.ns == kLastNs ? Timestamp{time.s + 1, 0} : Timestamp{time.s, time.ns + 1};
}

}  // namespace

void set_properties(Repository& repository, const std::vector<PropertyChange>& changes) {
  require_maintainer(repository);
  std::map<std::pair<SnapshotId, std::size_t>, Timestamp> current;
  for (const Annotation& annotation : repository.index().facts().annotations) {
    current[{annotation.snapshot, annotation.property.index()}] = annotation.time;
  }
  IndexRecord record;
  const auto publish = [&] {
    if (record.facts.annotations.empty()) return;
    repository.publish_record(std::exchange(record, {}));
  };
  const Timestamp now = repository.options().clock->now();
  for (const PropertyChange& change : changes) {
    const auto replaced = current.find({change.snapshot, change.property.index()});
    const Timestamp time =
        replaced == current.end() ? now : std::max(now, next_after(replaced->second));
    record.facts.annotations.push_back({change.snapshot, time, std::nullopt, change.property});
    if (facts_weight(record.facts) > kMaxWeightPerRecord) publish();
  }
  publish();
  // Whoever removes a snapshot looks for a hold afterwards (removal.cpp), so one of both sees the
  // other.
  repository.refresh();
  const std::vector<SnapshotId> removed = repository.index().removed_snapshots();
  for (const PropertyChange& change : changes) {
    if (!std::binary_search(removed.begin(), removed.end(), change.snapshot)) continue;
    throw Error{ErrorCode::busy,
                fmt::format("snapshot {} was removed meanwhile", change.snapshot.short_hex()),
                "`vgerfs-admin undelete` brings it back"};
  }
}

}  // namespace vgerfs::repo
