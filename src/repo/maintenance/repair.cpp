#include "repo/maintenance/repair.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/salvage.h"
#include "repo/maintenance/sweep.h"

namespace vgerfs::repo {
namespace {

/// Snapshots that full authors have seen and that are neither there nor removed. What only an
/// ingest author claims to have seen does no harm, and it could claim anything.
std::vector<SnapshotId> find_lost_snapshots(Repository& repository) {
  const std::vector<SnapshotId> removed = repository.index().removed_snapshots();
  std::vector<SnapshotId> lost;
  for (const IndexCache::Claim& claim : repository.index().claims()) {
    const SnapshotId id{claim.id.bytes()};
    if (!claim.snapshot || !claim.by_full_author) continue;
    if (std::binary_search(removed.begin(), removed.end(), id)) continue;
    if (!repository.backend().stat(format::snapshot_name(id))) lost.push_back(id);
  }
  return lost;
}

void find_bad_packs(Repository& repository, RepairPlan& plan) {
  std::set<PackId> missing;
  std::set<PackId> damaged;
  for (const Finding& finding : plan.check.findings) {
    const bool is_missing = finding.kind == FindingKind::pack_missing;
    // A false entry beside a true one misleads nobody, unless a full author made it.
    const bool is_damaged =
        finding.kind == FindingKind::pack_damaged ||
        (finding.kind == FindingKind::entry_false && finding.severity == Severity::error);
    if (!is_missing && !is_damaged) continue;
    // An object's path ends with its name.
    const std::string hex = finding.object.substr(finding.object.rfind('/') + 1);
    (is_missing ? missing : damaged).insert(PackId::parse(hex).value());
  }
  for (const Condemnation& condemnation : repository.index().facts().condemnations) {
    if (missing.contains(condemnation.pack) || damaged.contains(condemnation.pack)) {
      plan.condemned.insert(condemnation.pack);
    }
  }
  plan.missing = std::move(missing);
  plan.damaged = std::move(damaged);
}

std::vector<SnapshotId> find_unreadable_snapshots(const CheckResult& check) {
  std::vector<SnapshotId> unreadable;
  for (const Finding& finding : check.findings) {
    if (finding.kind != FindingKind::snapshot_unreadable) continue;
    unreadable.insert(unreadable.end(), finding.snapshots.begin(), finding.snapshots.end());
  }
  return unreadable;
}

class Repair {
 public:
  Repair(Repository& repository, const ExclusiveLease& lease, const RepairOptions& options,
         const std::function<void(const CheckProgress&)>& progress)
      : repository_(repository), lease_(lease), options_(options), progress_(progress) {}

  RepairResult run(bool dry_run) {
    result_.plan.rebuild = plan_rebuild(repository_, lease_, rebuild_options(), options_.stop);
    result_.plan.lost_snapshots = find_lost_snapshots(repository_);
    if (!dry_run) rebuild();
    CheckOptions check;
    check.level = options_.read_data ? CheckLevel::data : CheckLevel::metadata;
    check.vouch = !dry_run;
    check.threads = options_.threads;
    check.stop = options_.stop;
    result_.plan.check = run_check(repository_, check, progress_);
    result_.plan.unreadable_snapshots = find_unreadable_snapshots(result_.plan.check);
    find_bad_packs(repository_, result_.plan);
    if (!dry_run) give_up_packs();
    result_.executed = !dry_run;
    return std::move(result_);
  }

 private:
  RebuildOptions rebuild_options() const {
    RebuildOptions rebuild;
    rebuild.threads = options_.threads;
    rebuild.salvages = true;
    return rebuild;
  }

  void rebuild() {
    result_.rebuild = execute(
        result_.plan.rebuild, repository_, lease_, rebuild_options(),
        [&](const RebuildProgress& at) {
          progress_(
              {"reading packs without a record", at.done, at.total, at.bytes, at.total_bytes});
        },
        options_.stop);
    if (result_.rebuild.stopped)
      throw Error{ErrorCode::interrupted, "stopped; what was done counts"};
    std::set<PackId> broken;
    for (const auto& [pack, reason] : result_.rebuild.unreadable) broken.insert(pack);
    count(salvage(repository_, lease_, broken, false, options_.stop));
    remove_lost(repository_, lease_, result_.plan.lost_snapshots);
  }

  /// First the copies, then the condemnations.
  void give_up_packs() {
    const RepairPlan& plan = result_.plan;
    const Salvage saved = salvage(repository_, lease_, plan.damaged, true, options_.stop);
    count(saved);
    std::vector<PackId> packs{plan.missing.begin(), plan.missing.end()};
    packs.insert(packs.end(), saved.given_up.begin(), saved.given_up.end());
    std::erase_if(packs, [&](const PackId& id) { return plan.condemned.contains(id); });
    condemn(repository_, lease_, packs);
    result_.condemned_packs = packs.size();
  }

  void count(const Salvage& saved) {
    result_.saved_chunks += saved.saved_chunks;
    result_.saved_bytes += saved.saved_bytes;
  }

  Repository& repository_;
  const ExclusiveLease& lease_;
  const RepairOptions& options_;
  const std::function<void(const CheckProgress&)>& progress_;
  RepairResult result_;
};

}  // namespace

bool RepairPlan::empty() const noexcept {
  return rebuild.empty() && lost_snapshots.empty() && missing.empty() && damaged.empty();
}

bool RepairResult::lost_files() const noexcept {
  return std::any_of(
      plan.check.findings.begin(), plan.check.findings.end(), [](const Finding& finding) {
        return finding.severity == Severity::error &&
               finding.kind != FindingKind::snapshot_unreadable && !finding.snapshots.empty();
      });
}

bool RepairResult::lost_data() const noexcept {
  return lost_files() || !plan.unreadable_snapshots.empty() || !plan.lost_snapshots.empty();
}

RepairResult repair(Repository& repository, const RepairOptions& options, bool dry_run,
                    const std::function<void(const CheckProgress&)>& progress) {
  const auto lease = ExclusiveLease::acquire(repository);
  return Repair{repository, *lease, options, progress}.run(dry_run);
}

}  // namespace vgerfs::repo
