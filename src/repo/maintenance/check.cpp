#include "repo/maintenance/check.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <set>
#include <utility>

#include "backends/store_services.h"
#include "base/error.h"
#include "base/log.h"
#include "repo/maintenance/checked_source.h"
#include "repo/maintenance/chunk_table.h"
#include "repo/maintenance/damage_trace.h"
#include "repo/maintenance/object_check.h"
#include "repo/maintenance/pack_check.h"
#include "repo/maintenance/read_rotation.h"
#include "repo/maintenance/tree_check.h"

namespace vgerfs::repo {
namespace {

/// Vouches are published when they weigh so much, and at the end.
constexpr std::size_t kVouchedWeight = std::size_t{1} << 20;
/// Maintenance that runs at the same time may move what was looked at.
constexpr int kAttempts = 3;
/// The store reads so much before it answers.
constexpr std::uint64_t kStorePartBytes = std::uint64_t{1} << 30;

class Checker {
 public:
  Checker(Repository& repository, const CheckOptions& options,
          const std::function<void(const CheckProgress&)>& progress)
      : repository_(repository),
        options_(options),
        progress_(progress),
        rotation_(repository.state_directory(), repository.keyring().repository()) {}

  CheckResult run() {
    ask_store();
    repository_.refresh();
    check_objects();
    survey_ = survey_packs(repository_, findings_, bad_);
    result_.packs = survey_.packs.size();
    if (options_.level != CheckLevel::quick) {
      read_packs();
      check_trees_of_snapshots();
    }
    result_.snapshots = repository_.snapshots()->snapshots.size();
    result_.findings = findings_.take();
    return std::move(result_);
  }

 private:
  void show(const char* activity, std::uint64_t done, std::optional<std::uint64_t> total) {
    progress_({activity, done, total, result_.read_bytes, {}});
  }

  void check_objects() {
    show("looking at objects", 0, {});
    check_slots(repository_, findings_);
    check_leases(repository_, findings_);
    result_.records =
        check_records(repository_, options_.level != CheckLevel::quick, findings_, options_.stop);
    check_snapshots(repository_, findings_);
    check_closure(repository_, findings_);
  }

  void ask_store() {
    backends::StoreServices* const services = repository_.backend().services();
    if (options_.store_reads) have_store_read(services);
    const auto health = services ? services->health() : std::nullopt;
    if (!health) return;
    for (const backends::StoreDamage& damage : health->damaged) {
      log::info("{}: the store says: {}", damage.object.path(), damage.problem);
      if (damage.object.type == format::ObjectType::pack) {
        claimed_.insert(PackId{damage.object.id.bytes()});
      }
    }
  }

  void have_store_read(backends::StoreServices* services) {
    const auto health = services ? services->health() : std::nullopt;
    if (!health) {
      throw Error{ErrorCode::unsupported, "this store does not read what it has by itself",
                  "--read-data reads it through this client"};
    }
    // A pass that somebody began is brought to its end first.
    for (int passes = health->is_at_beginning ? 1 : 2; passes > 0;) {
      if (options_.stop.stop_requested()) {
        throw Error{ErrorCode::interrupted, "the check was interrupted"};
      }
      const auto read = services->read_again(kStorePartBytes);
      if (!read) {
        throw Error{ErrorCode::unavailable, "the store does not read any more"};
      }
      result_.store_read_objects += read->objects;
      result_.store_read_bytes += read->bytes;
      progress_({"the server reads", result_.store_read_objects, {}, result_.store_read_bytes, {}});
      if (read->is_pass_complete) --passes;
    }
  }

  // What is to be read in any case: packs of a strange size, those that were bad last time, and
  // those of which the store says that they are bad.
  std::vector<PackId> suspects() {
    std::set<PackId> ids(survey_.suspects.begin(), survey_.suspects.end());
    const std::vector<PackId> bad = rotation_.bad_packs();
    for (const ReadRotation::Pack& pack : survey_.packs) {
      if (std::binary_search(bad.begin(), bad.end(), pack.id) || claimed_.contains(pack.id)) {
        ids.insert(pack.id);
      }
    }
    return {ids.begin(), ids.end()};
  }

  std::uint64_t budget() const {
    if (options_.share.bytes) return *options_.share.bytes;
    if (options_.share.fraction >= 1.0) return std::numeric_limits<std::uint64_t>::max();
    double all = 0;
    for (const ReadRotation::Pack& pack : survey_.packs)
      all += static_cast<double>(pack.stored_bytes);
    return static_cast<std::uint64_t>(all * options_.share.fraction);
  }

  void read_packs() {
    std::vector<PackId> packs = suspects();
    if (options_.level == CheckLevel::data) {
      const std::set<PackId> first(packs.begin(), packs.end());
      for (const PackId& id : rotation_.choose(survey_.packs, budget())) {
        if (!first.contains(id)) packs.push_back(id);
      }
    }
    read(packs);
    publish_vouches();
  }

  void read(const std::vector<PackId>& packs) {
    std::uint64_t total_bytes = 0;
    const std::set<PackId> chosen(packs.begin(), packs.end());
    for (const ReadRotation::Pack& pack : survey_.packs) {
      if (chosen.contains(pack.id)) total_bytes += pack.stored_bytes;
    }
    try {
      check_packs(repository_, packs, options_.threads, options_.stop,
                  [&](const CheckedPack& pack) {
                    take(pack);
                    progress_({"reading packs", result_.read_packs, packs.size(),
                               result_.read_bytes, total_bytes});
                  });
    } catch (...) {
      rotation_.keep();
      throw;
    }
    rotation_.keep();
  }

  void take(const CheckedPack& pack) {
    read_.insert(pack.id);
    ++result_.read_packs;
    result_.read_bytes += pack.read_bytes();
    if (pack.entries.empty()) return;
    for (const auto& [entry, reading] : pack.entries) {
      if (!reading.missing) continue;
      repository_.refresh();
      if (repository_.index().is_buried(pack.id)) return;
    }
    rotation_.note(pack.id, pack.is_good());
    const bool is_given_up =
        !pack.is_good() && condemned_packs(repository_.index()).contains(pack.id);
    add_findings(pack, is_given_up, findings_);
    for (const auto& [entry, reading] : pack.entries) {
      if (!reading.bad_blocks.empty()) bad_.add_blocks(pack.id, entry.entry, reading.bad_blocks);
    }
    if (!options_.vouch || options_.level != CheckLevel::data) return;
    for (HashedBlocks& hashed : hashed_blocks(pack)) {
      vouched_blocks_ += hashed.count;
      vouches_.vouches.push_back(std::move(hashed.vouch));
    }
    if (facts_weight(vouches_) > kVouchedWeight) publish_vouches();
  }

  void publish_vouches() {
    if (vouches_.vouches.empty()) return;
    IndexRecord record;
    record.facts = std::exchange(vouches_, {});
    const std::uint64_t blocks = std::exchange(vouched_blocks_, 0);
    try {
      if (!repository_.supported().add) {
        throw Error{ErrorCode::unsupported, "adding to this repository needs a newer version"};
      }
      repository_.publish_record(std::move(record));
      result_.vouched_blocks += blocks;
    } catch (const Error& error) {
      // A check must work on a store that takes nothing.
      if (error.code() == ErrorCode::interrupted) throw;
      result_.vouch_failure = error.what();
    }
  }

  void check_trees_of_snapshots() {
    for (int attempt = 1;; ++attempt) {
      repository_.refresh();
      const auto list = repository_.snapshots();
      const std::size_t records = repository_.index().records().size();
      ChunkTable table{repository_.index().totals().chunks, *repository_.options().random};
      fill(table);
      CheckedSource source{repository_.reader(), repository_.index(), repository_.keyring(), table,
                           bad_};
      std::vector<Entry> roots;
      for (const ListedSnapshot& listed : list->snapshots) roots.push_back(listed.snapshot->root);
      const TreeCounts counts = check_trees(
          source, table, roots, options_.threads, options_.stop,
          [&](const TreeCounts& at) { show("walking trees", at.directories + at.files, {}); });
      result_.files = counts.files;
      result_.chunk_references = counts.chunk_references;
      result_.tree_nodes = source.nodes();
      if (!counts.damaged) return;
      repository_.refresh();
      if (attempt < kAttempts && repository_.index().records().size() != records) {
        look_again();
        continue;
      }
      if (read_failed_packs(source.failed_packs())) {
        --attempt;  // there are only so many packs
        continue;
      }
      repository_.index().check_once();  // a damaged cache must not pass for a loss
      std::uint64_t done = 0;
      trace_damage(source, table, repository_.index(), bad_, list->snapshots, findings_,
                   options_.stop,
                   [&] { show("looking for what is hurt", ++done, list->snapshots.size()); });
      return;
    }
  }

  /// What is wrong with the packs that should have had what the trees lack. False: all were read.
  bool read_failed_packs(const std::set<PackId>& failed) {
    std::vector<PackId> unread;
    std::set_difference(failed.begin(), failed.end(), read_.begin(), read_.end(),
                        std::back_inserter(unread));
    read(unread);
    return !unread.empty();
  }

  void look_again() {
    const std::vector<PackId> buried = repository_.index().buried_packs();
    std::set<std::string> dead;
    for (const PackId& pack : buried) dead.insert(format::pack_name(pack).path());
    findings_.forget_packs([&](const std::string& object) { return dead.contains(object); });
    survey_ = survey_packs(repository_, findings_, bad_);
  }

  void fill(ChunkTable& table) {
    std::uint64_t packs = 0;
    repository_.index().for_each_pack(true, [&](const IndexedPack& pack) {
      if (options_.stop.stop_requested()) {
        throw Error{ErrorCode::interrupted, "the check was interrupted"};
      }
      const bool suspicious = bad_.has_entry(pack.description.id, pack.entry);
      for (const BlockEntry& block : pack.description.blocks) {
        for (std::uint32_t i = 0; i < block.chunks.size(); ++i) {
          const bool bad =
              suspicious && bad_.contains(pack.description.id, pack.entry, block.offset, i);
          table.add(block.chunks[i].id, block.chunk_kind, block.chunks[i].plain_bytes, bad);
        }
      }
      if (++packs % 64 == 0) show("reading the index", packs, result_.packs);
    });
    log::debug("the table of {} chunks takes {} bytes", table.size(), table.memory_bytes());
  }

  Repository& repository_;
  const CheckOptions& options_;
  const std::function<void(const CheckProgress&)>& progress_;
  ReadRotation rotation_;
  CheckResult result_;
  FindingList findings_;
  BadPlaces bad_;
  std::set<PackId> read_;
  std::set<PackId> claimed_;  // the store says that they are damaged
  PackSurvey survey_;
  Facts vouches_;  // not published yet
  std::uint64_t vouched_blocks_ = 0;
};

}  // namespace

bool CheckResult::has_errors() const noexcept {
  return std::any_of(findings.begin(), findings.end(),
                     [](const Finding& finding) { return finding.severity == Severity::error; });
}

CheckResult run_check(Repository& repository, const CheckOptions& options,
                      const std::function<void(const CheckProgress&)>& progress) {
  if (!repository.can_read()) {
    throw Error{ErrorCode::denied, "an ingest key cannot check a repository: it reads nothing",
                "use a full key"};
  }
  return Checker{repository, options, progress}.run();
}

}  // namespace vgerfs::repo
