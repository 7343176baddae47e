#include "repo/maintenance/compact.h"

#include "base/error.h"
#include "repo/maintenance/merge_records.h"
#include "repo/maintenance/repack.h"
#include "repo/maintenance/sweep.h"

namespace vgerfs::repo {
namespace {

void execute(Repository& repository, const ExclusiveLease& lease, Marks& marks,
             const CompactOptions& options, CompactResult& result,
             const std::function<void(const CompactProgress&)>& progress,
             const std::stop_token& stop) {
  const CompactPlan& plan = result.plan;
  // First what undoes harm, then what makes space without cost.
  rescue(repository, lease, plan.rescue);
  result.rescued_packs = plan.rescue.size();
  result.deleted_packs += delete_buried(repository, lease, plan.leftovers).objects;

  RepackResult repacked = repack(
      repository, lease, marks, plan, options,
      [&](std::uint64_t done, std::uint64_t bytes) {
        if (progress) progress({"repacking", done, plan.repack.size(), bytes});
      },
      stop);
  result.moved_packs = repacked.moved.size();
  result.written_bytes = repacked.written_bytes;
  result.store_moved_bytes = repacked.store_moved_bytes;
  result.damaged = std::move(repacked.damaged);
  result.stopped = repacked.stopped;
  std::vector<PackId> condemned = std::move(repacked.moved);
  for (const PlannedPack& pack : plan.condemn) condemned.push_back(pack.id);
  for (const PackId& id : still_orphans(repository, plan.orphans)) condemned.push_back(id);
  condemn(repository, lease, condemned);
  result.condemned_packs = condemned.size();
  if (result.stopped || stop.stop_requested()) {
    result.stopped = true;
    return;
  }

  const Deleted buried = bury(repository, lease, marks, options);
  result.deleted_packs += buried.objects;
  result.deleted_bytes += buried.bytes;
  result.deleted_snapshots = delete_snapshots(repository, lease, plan.snapshots).objects;
  result.merged_records = merge_records(repository, lease, plan.merge);
  result.deleted_records = delete_records(repository, lease, plan.records).objects;
}

}  // namespace

CompactResult compact(Repository& repository, const CompactOptions& options, bool dry_run,
                      const std::function<void(const CompactProgress&)>& progress,
                      const std::stop_token& stop) {
  const auto lease = ExclusiveLease::acquire(repository);
  Marks marks{repository, stop, [&](const MarkProgress& marked) {
                if (progress) {
                  progress({"marking", marked.snapshots, marked.total_snapshots, 0});
                }
              }};
  CompactResult result;
  result.plan = plan_compaction(repository, *lease, marks, options);
  if (dry_run) return result;
  execute(repository, *lease, marks, options, result, progress, stop);
  result.executed = true;
  return result;
}

}  // namespace vgerfs::repo
