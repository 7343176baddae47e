#include "repo/maintenance/merge_records.h"

#include <algorithm>
#include <iterator>
#include <optional>
#include <set>
#include <utility>

#include "backends/backend.h"
#include "base/error.h"
#include "base/log.h"
#include "repo/index_fact_rows.h"
#include "repo/limits.h"
#include "repo/message.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

/// Records stay well below their limit: heads come on top.
constexpr std::size_t kMaxMergedWeight = std::size_t{12} << 20;

/// Adds up records and publishes them in parts.
class Merger {
 public:
  Merger(Repository& repository, const ExclusiveLease& lease)
      : repository_(repository), lease_(lease) {}

  void add(const RecordId& id, const IndexRecord& record) {
    for (const PackDescription& pack : record.packs) {
      add_pack(record.author, record.certificate, pack);
    }
    for (const CarriedAdditions& carried : record.carried) {
      for (const PackDescription& pack : carried.packs) {
        add_pack(carried.author, carried.certificate, pack);
      }
    }
    add_facts(id, record.facts);
    // What an ingest author claims to have known stays a claim of his alone: it ends with him.
    if (record.author.role == Role::full) {
      after_records_.insert(record.after_records.begin(), record.after_records.end());
      after_snapshots_.insert(record.after_snapshots.begin(), record.after_snapshots.end());
    }
    superseded_.insert(id);
    superseded_.insert(record.facts.supersedes.begin(), record.facts.supersedes.end());
  }

  /// Only the last part supersedes: until it is there everything is said twice.
  void finish() {
    for (const RecordId& id : after_records_) {
      if (!superseded_.contains(id)) part_.after_records.push_back(id);
    }
    for (const SnapshotId& id : after_snapshots_) part_.after_snapshots.push_back(id);
    part_.facts.supersedes.assign(superseded_.begin(), superseded_.end());
    publish();
  }

 private:
  void add_pack(const Certificate& author, const format::proto::SignedCertificate& certificate,
                const PackDescription& pack) {
    if (repository_.index().is_buried(pack.id)) return;
    make_room(record_weight(pack));
    if (author.author == repository_.keyring().certificate().author) {
      part_.packs.push_back(pack);
      return;
    }
    auto carried = std::find_if(
        part_.carried.begin(), part_.carried.end(), [&](const CarriedAdditions& additions) {
          return additions.certificate.certificate() == certificate.certificate();
        });
    if (carried == part_.carried.end()) {
      part_.carried.push_back({author, certificate, {}});
      carried = std::prev(part_.carried.end());
    }
    carried->packs.push_back(pack);
  }

  void add_facts(const RecordId& id, const Facts& facts) {
    make_room(facts_weight(facts));
    Facts& to = part_.facts;
    for (SnapshotRemoval removal : facts.removals) {
      if (!removal.origin) removal.origin = id;
      to.removals.push_back(removal);
    }
    for (Condemnation condemnation : facts.condemnations) {
      if (!condemnation.origin) condemnation.origin = id;
      if (!repository_.index().is_buried(condemnation.pack)) {
        to.condemnations.push_back(condemnation);
      }
    }
    for (Annotation annotation : facts.annotations) {
      if (!annotation.origin) annotation.origin = id;
      to.annotations.push_back(std::move(annotation));
    }
    for (const Vouch& vouch : facts.vouches) {
      if (!repository_.index().is_buried(vouch.pack)) to.vouches.push_back(vouch);
    }
    to.buried.insert(to.buried.end(), facts.buried.begin(), facts.buried.end());
    to.undoes.insert(to.undoes.end(), facts.undoes.begin(), facts.undoes.end());
    to.revocations.insert(to.revocations.end(), facts.revocations.begin(), facts.revocations.end());
  }

  void make_room(std::size_t weight) {
    if (weight_ != 0 && weight_ + weight > kMaxMergedWeight) publish();
    weight_ += weight;
  }

  void publish() {
    lease_.require_held();
    part_.session = lease_.id();
    publish_record(repository_, std::exchange(part_, {}), lease_.backend());
    weight_ = 0;
  }

  Repository& repository_;
  const ExclusiveLease& lease_;
  IndexRecord part_;
  std::size_t weight_ = 0;
  std::set<RecordId> superseded_;
  std::set<RecordId> after_records_;
  std::set<SnapshotId> after_snapshots_;
};

std::optional<IndexRecord> read_record(Repository& repository, const RecordId& id) {
  try {
    return open_record(
        backends::read_object(repository.backend(), format::record_name(id), kMaxRecordBytes),
        repository.keyring());
  } catch (const Error& error) {
    if (error.code() == ErrorCode::not_found || error.code() == ErrorCode::corrupt) {
      log::debug("record {} is not merged: {}", id.short_hex(), error.what());
      return std::nullopt;
    }
    throw;
  }
}

std::string fact_key(const FactRow& row) {
  return fmt::format("{}{}", static_cast<char>(row.kind), row.subject.raw()) + row.origin.raw() +
         std::to_string(row.value) + raw_string(row.data);
}

}  // namespace

std::uint64_t merge_records(Repository& repository, const ExclusiveLease& lease,
                            const std::vector<RecordId>& records) {
  Merger merger{repository, lease};
  std::uint64_t merged = 0;
  for (const RecordId& id : records) {
    const std::optional<IndexRecord> record = read_record(repository, id);
    if (!record) continue;
    merger.add(id, *record);
    ++merged;
  }
  if (merged > 0) merger.finish();
  return merged;
}

Successors::Successors(Repository& repository) : repository_(repository) {
  std::unordered_set<RecordId> listed;
  repository.backend().list(format::ObjectType::index, [&](const backends::ObjectInfo& info) {
    listed.insert(RecordId{info.name.id.bytes()});
  });
  for (const IndexedRecord& record : repository.index().record_list()) {
    if (record.superseded || !listed.contains(record.id)) continue;
    in_force_.insert(record.id);
    if (!record.supersedes) continue;
    const std::optional<IndexRecord> opened = read_record(repository, record.id);
    if (!opened) continue;
    for_each_fact_row(record.id, opened->facts,
                      [&](const FactRow& row) { facts_.insert(fact_key(row)); });
  }
}

bool Successors::say(const Certificate& author, const std::vector<PackDescription>& packs) const {
  IndexCache& index = repository_.index();
  return std::all_of(packs.begin(), packs.end(), [&](const PackDescription& pack) {
    if (index.is_buried(pack.id)) return true;
    const EntryDigest digest = entry_digest(pack);
    const std::vector<IndexedPack> entries = index.find_pack(pack.id);
    return std::any_of(entries.begin(), entries.end(), [&](const IndexedPack& entry) {
      // An entry of more trust stands for it.
      const bool covers = (entry.author == author.author && entry.entry == digest) ||
                          (entry.trusted && author.role != Role::full);
      return covers &&
             std::any_of(entry.records.begin(), entry.records.end(),
                         [&](const RecordId& source) { return in_force_.contains(source); });
    });
  });
}

bool Successors::carry_over(const RecordId& id) const {
  const std::optional<IndexRecord> record = read_record(repository_, id);
  if (!record || !repository_.index().is_superseded(id) || !say(record->author, record->packs)) {
    return false;
  }
  for (const CarriedAdditions& carried : record->carried) {
    if (!say(carried.author, carried.packs)) return false;
  }
  bool all = true;
  for_each_fact_row(id, record->facts, [&](const FactRow& row) {
    // What is said of a pack that is dead need not be said any more.
    const bool moot = (row.kind == FactKind::condemnation || row.kind == FactKind::vouch) &&
                      repository_.index().is_buried(PackId{row.subject.bytes()});
    all = all && (moot || facts_.contains(fact_key(row)));
  });
  return all;
}

}  // namespace vgerfs::repo
