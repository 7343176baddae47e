#include "repo/maintenance/prune.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/maintainer.h"
#include "repo/maintenance/removal.h"

namespace vgerfs::repo {
namespace {

using LineName = std::pair<std::string, std::string>;

LineName line_of(const ListedSnapshot& listed) {
  return {listed.snapshot->host, listed.snapshot->source};
}

Standing standing_of(const ListedSnapshot& listed, Timestamp now) {
  if (!listed.snapshot->belongs_to_line) return Standing::no_line;
  return listed.line_time > now ? Standing::future : Standing::counted;
}

/// The client's clock may be behind the store's.
Timestamp latest_time(const SnapshotList& list, const Clock& clock) {
  Timestamp now = clock.now();
  for (const ListedSnapshot& listed : list.snapshots) {
    if (listed.stored_at) now = std::max(now, *listed.stored_at);
  }
  return now;
}

}  // namespace

PrunePlan plan_prune(const SnapshotList& list, const PruneOptions& options, Timestamp now) {
  PrunePlan plan{{}, list.unreadable, list.revoked, now, options.allow_empty};
  std::map<LineName, std::vector<std::size_t>> lines;  // positions in the plan
  for (const ListedSnapshot& listed : list.snapshots) {
    if (!options.filter.matches(listed)) continue;
    plan.snapshots.push_back({listed, standing_of(listed, now), {}});
    if (plan.snapshots.back().standing == Standing::counted) {
      lines[line_of(listed)].push_back(plan.snapshots.size() - 1);
    }
  }
  for (const auto& [name, positions] : lines) {
    std::vector<const ListedSnapshot*> line;
    for (const std::size_t at : positions) line.push_back(&plan.snapshots[at].snapshot);
    auto kept = rules_that_keep(line, options.rules);
    for (std::size_t i = 0; i < positions.size(); ++i) {
      plan.snapshots[positions[i]].kept_by = std::move(kept[i]);
    }
  }
  return plan;
}

PrunePlan plan_prune(Repository& repository, const PruneOptions& options) {
  if (!options.rules.any()) {
    throw Error{ErrorCode::usage, "nothing says which snapshots to keep",
                "give a rule, for instance --keep-daily 7, or `retention` in the configuration"};
  }
  require_all_records(repository);
  const auto list = repository.snapshots();
  return plan_prune(*list, options, latest_time(*list, *repository.options().clock));
}

void require_lines_stay(const PrunePlan& plan, const SnapshotList& list) {
  if (plan.allow_empty) return;
  std::set<LineName> touched;
  std::set<SnapshotId> removed;
  for (const PruneVerdict& verdict : plan.snapshots) {
    if (!verdict.removed()) continue;
    touched.insert(line_of(verdict.snapshot));
    removed.insert(verdict.snapshot.snapshot->id);
  }
  for (const ListedSnapshot& listed : list.snapshots) {
    if (standing_of(listed, plan.now) == Standing::counted &&
        !removed.contains(listed.snapshot->id)) {
      touched.erase(line_of(listed));
    }
  }
  if (touched.empty()) return;
  const auto& [host, source] = *touched.begin();
  throw Error{ErrorCode::usage,
              fmt::format("no rule keeps any snapshot of {}/{}: nothing was removed", host, source),
              "keep some, or use --allow-empty"};
}

std::vector<SnapshotId> execute(const PrunePlan& plan, Repository& repository,
                                const ExclusiveLease& lease) {
  lease.require_held();
  repository.refresh();
  require_all_records(repository);
  const auto list = repository.snapshots();
  require_lines_stay(plan, *list);
  std::set<SnapshotId> removable;
  for (const ListedSnapshot& listed : list->snapshots) {
    if (!listed.held) removable.insert(listed.snapshot->id);
  }
  std::vector<SnapshotId> chosen;
  for (const PruneVerdict& verdict : plan.snapshots) {
    const SnapshotId& id = verdict.snapshot.snapshot->id;
    if (verdict.removed() && removable.contains(id)) chosen.push_back(id);
  }
  return remove_snapshots(repository, lease.backend(), chosen);
}

}  // namespace vgerfs::repo
