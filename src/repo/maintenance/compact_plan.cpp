#include "repo/maintenance/compact_plan.h"

#include <algorithm>
#include <limits>
#include <map>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/first_seen.h"

namespace vgerfs::repo {
namespace {

/// Records below this are small.
constexpr std::uint64_t kSmallRecordBytes = std::uint64_t{1} << 20;
constexpr std::size_t kSmallRecords = 16;

class Planner {
 public:
  Planner(Repository& repository, const ExclusiveLease& lease, Marks& marks,
          const CompactOptions& options)
      : repository_(repository),
        index_(repository.index()),
        lease_(lease),
        marks_(marks),
        options_(options),
        times_(repository),
        facts_(index_.facts()),
        due_s_(due_time(lease, options)),
        repeated_(repository.cache_directory()),
        named_(marks.size()) {
    for (const ListedLease& session : lease.sessions()) {
      if (session.lease) live_.insert(session.lease->session);
    }
    for (const Condemnation& condemnation : facts_.condemnations) {
      condemned_.insert(condemnation.pack);
    }
    for (const IndexedRecord& record : index_.record_list()) records_.emplace(record.id, record);
    index_.for_each_repeated([&](std::uint64_t prefix) { repeated_.add(prefix); });
    repeated_.finish();
    plan_.stored = list_packs(repository);
  }

  CompactPlan run() {
    const BurialReview review = review_condemned(repository_, lease_.sessions(), marks_, due_s_);
    plan_.bury = review.due;
    plan_.rescue = review.needed;
    plan_.waiting_packs = review.waiting_packs;
    plan_.waiting_bytes = review.waiting_bytes;
    plan_.notes = review.notes;
    index_.for_each_pack(true, [&](const IndexedPack& pack) { look_at(pack); });
    choose_small_packs();
    limit_repacking();
    look_at_store();
    plan_snapshots();
    plan_records();
    return std::move(plan_);
  }

 private:
  /// Old enough and written by nobody who is still at work.
  bool is_settled(const RecordId& id) const {
    const auto found = records_.find(id);
    if (found == records_.end()) return false;
    return times_.of_record(id, found->second.time.s) <= due_s_ &&
           !live_.contains(found->second.session);
  }

  void look_at(const IndexedPack& pack) {
    ++plan_.packs;
    plan_.stored_bytes += pack.description.stored_bytes;
    PlannedPack planned{pack.description.id, pack.description.stored_bytes, 0, false};
    std::uint64_t block_bytes = 0;
    for (const BlockEntry& block : pack.description.blocks) {
      block_bytes += block.stored_bytes;
      std::uint64_t live = 0;
      std::uint64_t all = 0;
      for (const ChunkEntry& chunk : block.chunks) {
        all += chunk.plain_bytes;
        if (!marks_.contains(chunk.id)) continue;
        if (const auto position = marks_.position(chunk.id)) named_[*position] = true;
        if (is_kept_elsewhere(chunk.id, pack.description.id)) {
          planned.has_copies = true;
        } else {
          live += chunk.plain_bytes;
        }
      }
      planned.live_bytes += static_cast<std::uint64_t>(
          static_cast<double>(block.stored_bytes) * static_cast<double>(live) /
          static_cast<double>(std::max<std::uint64_t>(all, 1)));
    }
    plan_.live_bytes += planned.live_bytes;
    known_.insert(planned.id);
    if (condemned_.contains(planned.id)) return;
    // Authors of equal trust contradict each other: what the pack holds is not certain.
    if (!entries_.emplace(planned.id, 1).second) {
      contradicted_.insert(planned.id);
      return;
    }
    const bool settled = std::all_of(pack.records.begin(), pack.records.end(),
                                     [&](const RecordId& id) { return is_settled(id); });
    const double dead_share =
        1.0 - static_cast<double>(planned.live_bytes) / static_cast<double>(block_bytes);
    const bool wasteful = planned.live_bytes == 0 || dead_share > options_.threshold;
    if (!settled) {
      if (wasteful) ++plan_.young_packs;
    } else if (planned.live_bytes == 0 && !planned.has_copies) {
      plan_.condemn.push_back(planned);
    } else if (wasteful) {
      plan_.repack.push_back(planned);
    } else if (planned.stored_bytes < options_.pack_bytes / kSmallPackShare) {
      small_[pack.description.kind].push_back(planned);
    }
  }

  bool is_kept_elsewhere(const ChunkId& id, const PackId& here) const {
    if (!repeated_.contains(id.prefix())) return false;
    const std::optional<ChunkPlace> keeper = keeper_of(index_, plan_.stored, id);
    return keeper && keeper->pack != here;
  }

  void choose_small_packs() {
    for (auto& [kind, packs] : small_) {
      if (packs.size() < kSmallPacks) continue;
      plan_.repack.insert(plan_.repack.end(), packs.begin(), packs.end());
    }
    const auto drop = [&](const PlannedPack& pack) { return contradicted_.contains(pack.id); };
    std::erase_if(plan_.repack, drop);
    std::erase_if(plan_.condemn, drop);
  }

  /// The most wasteful first.
  void limit_repacking() {
    const auto share = [](const PlannedPack& pack) {
      return static_cast<double>(pack.live_bytes) / static_cast<double>(pack.stored_bytes);
    };
    std::sort(plan_.repack.begin(), plan_.repack.end(),
              [&](const PlannedPack& a, const PlannedPack& b) {
                return std::pair{share(a), a.id} < std::pair{share(b), b.id};
              });
    if (options_.max_repack_bytes == 0) return;
    std::uint64_t bytes = 0;
    const auto end = std::find_if(plan_.repack.begin(), plan_.repack.end(), [&](const auto& pack) {
      bytes += pack.stored_bytes;
      return bytes > options_.max_repack_bytes;
    });
    plan_.repack.erase(end, plan_.repack.end());
  }

  /// Packs that no record names, and buried ones that a crash left.
  void look_at_store() {
    const auto missed = std::count(named_.begin(), named_.end(), false);
    std::uint64_t spared = 0;
    std::vector<backends::ObjectInfo> unnamed;
    // A record that was written since the index was read may name them: asked again when they are
    // condemned, and when they are due.
    repository_.backend().list(format::ObjectType::pack, [&](const backends::ObjectInfo& info) {
      const PackId id{info.name.id.bytes()};
      if (known_.contains(id) || condemned_.contains(id)) return;
      if (index_.is_buried(id)) {
        plan_.leftovers.push_back(id);
      } else if (missed > 0) {
        ++plan_.waiting_packs;
        plan_.waiting_bytes += info.stored_bytes;
        ++spared;
      } else {
        unnamed.push_back(info);
      }
    });
    date(unnamed);
    for (const backends::ObjectInfo& info : unnamed) {
      if (info.stored_at->s <= due_s_ && lease_.sessions().empty()) {
        plan_.orphans.push_back({PackId{info.name.id.bytes()}, info.stored_bytes, 0, false});
      } else {
        ++plan_.young_packs;  // its session may be at work, and its lease does not name it
      }
    }
    if (spared > 0) {
      plan_.notes.push_back(fmt::format(
          "packs that no record names stay ({}): {} of the chunks that snapshots need are "
          "in no record, and may lie there; rebuild-index finds them",
          spared, missed));
    }
  }

  /// Packs of a store that shows no times have been there since they were first seen.
  void date(std::vector<backends::ObjectInfo>& packs) {
    if (repository_.backend().capabilities().store_clock) return;
    std::vector<ObjectId> there;
    there.reserve(packs.size());
    for (const backends::ObjectInfo& info : packs) there.push_back(info.name.id);
    const auto seen = note_first_seen(repository_, format::ObjectType::pack, there);
    for (backends::ObjectInfo& info : packs) {
      info.stored_at = Timestamp{seen.at(info.name.id), 0};
    }
  }

  void plan_snapshots() {
    std::map<SnapshotId, std::int64_t> removed;  // the latest removal counts
    for (const SnapshotRemoval& removal : facts_.removals) {
      auto& latest = removed[removal.snapshot];
      latest = std::max(latest, times_.of_record(removal.origin.value(), removal.time_s));
    }
    repository_.backend().list(format::ObjectType::snapshot, [&](const backends::ObjectInfo& info) {
      const SnapshotId id{info.name.id.bytes()};
      const auto found = removed.find(id);
      if (found != removed.end() && found->second <= due_s_) plan_.snapshots.push_back(id);
    });
  }

  void plan_records() {
    // What waits for its time is told by its record's age: such a record stays as it is.
    std::set<RecordId> waiting;
    for (const Condemnation& condemnation : facts_.condemnations) {
      waiting.insert(condemnation.origin.value());
    }
    for (const SnapshotRemoval& removal : facts_.removals) {
      if (times_.of_record(removal.origin.value(), removal.time_s) > due_s_) {
        waiting.insert(removal.origin.value());
      }
    }
    for (const auto& [id, record] : records_) {
      if (!times_.has_record(id)) continue;
      if (record.superseded) {
        plan_.records.push_back(id);
      } else if (is_settled(id) && !record.revoked && !waiting.contains(id) &&
                 record.stored_bytes < kSmallRecordBytes) {
        plan_.merge.push_back(id);
      }
    }
    std::sort(plan_.records.begin(), plan_.records.end());
    std::sort(plan_.merge.begin(), plan_.merge.end());
    if (plan_.merge.size() < kSmallRecords) plan_.merge.clear();
  }

  Repository& repository_;
  IndexCache& index_;
  const ExclusiveLease& lease_;
  const Marks& marks_;
  const CompactOptions& options_;
  const StoreTimes times_;
  const FactState facts_;
  const std::int64_t due_s_;
  PrefixSet repeated_;
  std::vector<bool> named_;  // by Marks::position: whether a pack of the index holds the chunk
  std::set<SessionId> live_;
  std::unordered_set<PackId> condemned_;
  std::unordered_map<RecordId, IndexedRecord> records_;
  std::unordered_set<PackId> known_;
  std::unordered_map<PackId, int> entries_;
  std::unordered_set<PackId> contradicted_;
  std::map<PackKind, std::vector<PlannedPack>> small_;
  CompactPlan plan_;
};

}  // namespace

bool CompactPlan::empty() const noexcept {
  return repack.empty() && condemn.empty() && orphans.empty() && rescue.empty() && bury.empty() &&
         leftovers.empty() && snapshots.empty() && records.empty() && merge.empty();
}

std::int64_t due_time(const ExclusiveLease& lease, const CompactOptions& options) {
  return options.now ? std::numeric_limits<std::int64_t>::max()
                     : lease.store_now().s - options.grace_s;
}

CompactPlan plan_compaction(Repository& repository, const ExclusiveLease& lease, Marks& marks,
                            const CompactOptions& options) {
  if (options.grace_s < kMinGrace_s && !options.now) {
    throw Error{ErrorCode::usage, "the grace time must be at least an hour",
                "--now compacts without, when nothing else is at work"};
  }
  if (options.now && !lease.sessions().empty()) {
    throw Error{ErrorCode::busy,
                "--now needs a repository on which nothing else is at work: " +
                    describe(lease.sessions().front()),
                "wait for it, or compact without --now"};
  }
  marks.mark_repository(due_time(lease, options));
  return Planner{repository, lease, marks, options}.run();
}

}  // namespace vgerfs::repo
