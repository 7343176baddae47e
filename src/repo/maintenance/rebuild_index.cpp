#include "repo/maintenance/rebuild_index.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <set>

#include "base/error.h"
#include "repo/limits.h"
#include "repo/maintenance/claims.h"
#include "repo/maintenance/object_verdict.h"
#include "repo/maintenance/pack_examination.h"
#include "repo/maintenance/stops_work.h"
#include "repo/publish_record.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

/// A record is published when what it says weighs so much.
constexpr std::size_t kFullWeight = std::size_t{8} << 20;
/// One pack alone may weigh more, up to what fits into a record beside its heads.
constexpr std::size_t kMaxPackWeight = kMaxRecordBytes - (std::size_t{1} << 20);

/// Whether a record that can be used names the pack.
bool is_named(const std::vector<RecordId>& records, const std::unordered_set<RecordId>& unusable) {
  return std::any_of(records.begin(), records.end(),
                     [&](const RecordId& id) { return !unusable.contains(id); });
}

class Survey {
 public:
  Survey(Repository& repository, const ExclusiveLease& lease, const RebuildOptions& options,
         const std::stop_token& stop)
      : repository_(repository), lease_(lease), options_(options), stop_(stop) {}

  RebuildPlan run() {
    read_records();
    find_absent_records();
    for (const RecordId& id : repository_.index().records()) {
      if (!readable_.contains(id)) plan_.unusable.insert(id);
    }
    find_packs();
    find_removed_snapshots();
    return std::move(plan_);
  }

 private:
  void read_records() {
    std::vector<RecordId> listed;
    repository_.backend().list(format::ObjectType::index, [&](const backends::ObjectInfo& info) {
      listed.emplace_back(info.name.id.bytes());
    });
    for (const RecordId& id : listed) {
      throw_if_stopped(stop_);
      seen_.insert(id);
      const ObjectVerdict judged = judge(id);
      switch (judged.verdict) {
        case Verdict::readable:
          readable_.insert(id);
          ++plan_.records;
          break;
        case Verdict::damaged:
        case Verdict::foreign: lose(id, judged.reason); break;
        case Verdict::newer:
        case Verdict::invalid: break;  // somebody who may write here wrote it: it is not lost
      }
    }
  }

  ObjectVerdict judge(const RecordId& id) {
    try {
      const auto stored =
          read_stored(repository_.backend(), format::record_name(id), kMaxRecordBytes);
      if (!stored) return {Verdict::damaged, "is missing from the store"};
      return judge_record(id, *stored, repository_.keyring());
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      return {Verdict::damaged, error.what()};
    }
  }

  void lose(const RecordId& id, std::string reason) {
    if (repository_.index().is_superseded(id)) return;  // others say what it said
    plan_.lost.push_back({id, std::move(reason), repository_.index().has_record(id)});
  }

  /// What signed objects claim to have seen.
  void find_absent_records() {
    for_each_claim(repository_, [&](const format::ObjectName& name, bool) {
      if (name.type != format::ObjectType::index) return;
      const RecordId id{name.id.bytes()};
      if (!seen_.insert(id).second || repository_.backend().stat(name)) return;
      lose(id, "is missing from the store");
    });
  }

  void find_packs() {
    std::unordered_set<PackId> named;
    repository_.index().for_each_pack(false, [&](const IndexedPack& pack) {
      if (is_named(pack.records, plan_.unusable)) named.insert(pack.description.id);
    });
    repository_.backend().list(format::ObjectType::pack, [&](const backends::ObjectInfo& info) {
      const PackId id{info.name.id.bytes()};
      if (named.contains(id)) {
        ++plan_.named_packs;
      } else if (repository_.index().is_buried(id)) {
        ++plan_.dead_packs;
      } else if (is_left_behind(info)) {
        plan_.packs.push_back({id, info.stored_bytes});
        plan_.stored_bytes += info.stored_bytes;
      } else {
        ++plan_.young_packs;
      }
    });
    std::sort(plan_.packs.begin(), plan_.packs.end(),
              [](const UnnamedPack& a, const UnnamedPack& b) { return a.id < b.id; });
  }

  /// No session that is at work may take the pack back. One that has begun since the lease was
  /// written has written nothing before.
  bool is_left_behind(const backends::ObjectInfo& info) const {
    if (info.stored_at && info.stored_at->s <= lease_.store_now().s - options_.grace_s) return true;
    return lease_.sessions().empty() && (!info.stored_at || *info.stored_at <= lease_.store_now());
  }

  void find_removed_snapshots() {
    const bool all_known = std::all_of(plan_.lost.begin(), plan_.lost.end(),
                                       [](const LostRecord& lost) { return lost.known; });
    if (all_known) return;
    for (const SnapshotId& id : repository_.index().removed_snapshots()) {
      if (repository_.backend().stat(format::snapshot_name(id))) plan_.removed_again.push_back(id);
    }
  }

  Repository& repository_;
  const ExclusiveLease& lease_;
  const RebuildOptions& options_;
  const std::stop_token& stop_;
  std::unordered_set<RecordId> readable_;
  std::unordered_set<RecordId> seen_;
  RebuildPlan plan_;
};

/// Gathers what is to be said and publishes it in records that are not too large.
class Publisher {
 public:
  Publisher(const RebuildPlan& plan, Repository& repository, const ExclusiveLease& lease)
      : plan_(plan), repository_(repository), lease_(lease) {}

  void add(PackDescription pack) {
    make_room(record_weight(pack));
    record_.packs.push_back(std::move(pack));
  }
  template <class Item>
  void add(std::vector<Item> Facts::*list, Item item) {
    Facts one;
    (one.*list).push_back(item);
    make_room(facts_weight(one));
    (record_.facts.*list).push_back(std::move(item));
  }
  template <class Item>
  void add_all(std::vector<Item> Facts::*list, const Facts& facts) {
    for (const Item& item : facts.*list) add(list, item);
  }

  void publish() {
    if (weight_ == 0) return;
    lease_.require_held();
    repository_.refresh();
    std::erase_if(record_.packs, [&](const PackDescription& pack) { return !is_wanted(pack.id); });
    for (const PackDescription& pack : record_.packs) {
      ++named_packs_;
      for (const BlockEntry& block : pack.blocks) chunks_ += block.chunks.size();
    }
    record_.session = lease_.id();
    publish_record(repository_, std::exchange(record_, {}), lease_.backend());
    weight_ = 0;
  }

  std::uint64_t named_packs() const noexcept { return named_packs_; }
  std::uint64_t chunks() const noexcept { return chunks_; }

 private:
  void make_room(std::size_t weight) {
    if (weight_ + weight > kFullWeight) publish();
    weight_ += weight;
  }

  /// Nobody has named or buried it meanwhile.
  bool is_wanted(const PackId& id) {
    if (repository_.index().is_buried(id)) return false;
    for (const IndexedPack& entry : repository_.index().find_pack(id)) {
      if (is_named(entry.records, plan_.unusable)) return false;
    }
    return true;
  }

  const RebuildPlan& plan_;
  Repository& repository_;
  const ExclusiveLease& lease_;
  IndexRecord record_;
  std::size_t weight_ = 0;
  std::uint64_t named_packs_ = 0;
  std::uint64_t chunks_ = 0;
};

struct Examined {
  PackReading reading;
  PackDescription pack;
};

/// Takes the packs that are whole to the publisher.
void examine_packs(const RebuildPlan& plan, Repository& repository, Publisher& publisher,
                   const RebuildOptions& options,
                   const std::function<void(const RebuildProgress&)>& progress,
                   const std::stop_token& stop, RebuildResult& result) {
  RebuildProgress at{0, plan.packs.size(), 0, plan.stored_bytes};
  using Pool = WorkerPool<PackId, Examined>;
  Pool pool{{.thread_name = "vgerfs-rebuild",
             .threads = options.threads,
             .queued_tasks = 4,
             .batch_tasks = 1},
            stop,
            [&](const std::stop_token& token) -> Pool::Worker {
              return [&repository, token](const PackId& id) {
                Examined examined;
                examined.reading = examine_unnamed_pack(repository.backend(), repository.keyring(),
                                                        id, token, examined.pack);
                return examined;
              };
            }};
  const auto collect = [&](std::chrono::milliseconds timeout) {
    for (Examined& examined : pool.take(timeout)) {
      const PackReading& reading = examined.reading;
      ++at.done;
      at.bytes += reading.read_bytes;
      if (reading.is_good() && record_weight(examined.pack) > kMaxPackWeight) {
        result.unreadable.emplace_back(reading.pack, "has more chunks than fit into a record");
      } else if (reading.is_good()) {
        publisher.add(std::move(examined.pack));
      } else if (!reading.missing) {  // a session that failed took it back
        result.unreadable.emplace_back(reading.pack, reading.fault);
      }
      if (progress) progress(at);
    }
  };
  for (const UnnamedPack& pack : plan.packs) {
    if (stop.stop_requested()) break;
    pool.submit(pack.id, 1);
    collect(std::chrono::milliseconds{0});
  }
  while (pool.outstanding() > 0 && !stop.stop_requested()) collect(std::chrono::milliseconds{200});
  result.read_bytes = at.bytes;
  result.stopped = stop.stop_requested();
}

}  // namespace

RebuildPlan plan_rebuild(Repository& repository, const ExclusiveLease& lease,
                         const RebuildOptions& options, const std::stop_token& stop) {
  return Survey{repository, lease, options, stop}.run();
}

RebuildResult execute(const RebuildPlan& plan, Repository& repository, const ExclusiveLease& lease,
                      const RebuildOptions& options,
                      const std::function<void(const RebuildProgress&)>& progress,
                      const std::stop_token& stop) {
  RebuildResult result;
  Publisher publisher{plan, repository, lease};
  examine_packs(plan, repository, publisher, options, progress, stop, result);
  // A lost record may have named a pack that is not named again: were it superseded, nothing would
  // say that the pack is in use, and compact would delete it.
  const bool all_named = plan.young_packs == 0 && (options.salvages || result.unreadable.empty());
  result.lost_wait = !plan.lost.empty() && !all_named;
  if (!result.stopped && !result.lost_wait) {
    if (std::any_of(plan.lost.begin(), plan.lost.end(),
                    [](const LostRecord& lost) { return lost.known; })) {
      const Facts known = repository.index().all_facts();
      publisher.add_all(&Facts::buried, known);
      publisher.add_all(&Facts::undoes, known);
      publisher.add_all(&Facts::removals, known);
      publisher.add_all(&Facts::condemnations, known);
      publisher.add_all(&Facts::vouches, known);
      publisher.add_all(&Facts::annotations, known);
      publisher.add_all(&Facts::revocations, known);
      publisher.add_all(&Facts::supersedes, known);
    }
    const std::int64_t now_s = repository.options().clock->now().s;
    for (const SnapshotId& id : plan.removed_again) {
      publisher.add(&Facts::removals, SnapshotRemoval{id, now_s});
    }
    // Only at the end: until then a run that was cut short finds them lost again.
    for (const LostRecord& lost : plan.lost) publisher.add(&Facts::supersedes, lost.id);
  }
  publisher.publish();
  result.named_packs = publisher.named_packs();
  result.chunks = publisher.chunks();
  std::sort(result.unreadable.begin(), result.unreadable.end());
  return result;
}

}  // namespace vgerfs::repo
