#include "repo/maintenance/object_check.h"

#include <algorithm>
#include <set>
#include <unordered_map>

#include "base/error.h"
#include "repo/key_slot.h"
#include "repo/leases.h"
#include "repo/limits.h"
#include "repo/maintenance/claims.h"
#include "repo/maintenance/object_verdict.h"
#include "repo/maintenance/pack_check.h"
#include "repo/maintenance/stops_work.h"

namespace vgerfs::repo {
namespace {

using format::ObjectType;

void check_stop(const std::stop_token& stop) {
  if (stop.stop_requested()) throw Error{ErrorCode::interrupted, "the check was interrupted"};
}

void check_record(Repository& repository, const RecordId& id, FindingList& findings) {
  const format::ObjectName name = format::record_name(id);
  const auto stored = read_stored(repository.backend(), name, kMaxRecordBytes);
  if (!stored) return;  // merged into another one meanwhile: else the closure misses it
  const ObjectVerdict judged = judge_record(id, *stored, repository.keyring());
  switch (judged.verdict) {
    case Verdict::readable:
      if (open_record(*stored, repository.keyring()).ignored_claims) {
        findings.add(FindingKind::claims_ignored, Severity::warning, name.path(),
                     "makes claims that its author may not make; they are ignored");
      }
      return;
    case Verdict::damaged:
    case Verdict::foreign:
      findings.add(FindingKind::record_unreadable,
                   repository.index().is_superseded(id) ? Severity::note : Severity::error,
                   name.path(), judged.reason);
      return;
    case Verdict::newer:
    case Verdict::invalid:
      findings.add(FindingKind::record_invalid, Severity::warning, name.path(), judged.reason);
      return;
  }
}

}  // namespace

void check_slots(Repository& repository, FindingList& findings) {
  repository.backend().list(ObjectType::key, [&](const backends::ObjectInfo& info) {
    try {
      describe_slot(SlotId{info.name.id.bytes()},
                    backends::read_object(repository.backend(), info.name, kMaxSlotBytes),
                    repository.keyring());
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      if (error.code() == ErrorCode::not_found) return;  // removed meanwhile
      findings.add(FindingKind::slot_unreadable,
                   error.code() == ErrorCode::unsupported ? Severity::note : Severity::error,
                   info.name.path(), error.what());
    }
  });
}

void check_leases(Repository& repository, FindingList& findings) {
  for (const ListedLease& listed : list_leases(repository)) {
    if (listed.lease) continue;
    findings.add(FindingKind::lease_unreadable, Severity::note,
                 format::lease_name(listed.id).path(), listed.reason);
  }
}

std::set<PackId> condemned_packs(IndexCache& index) {
  std::set<PackId> condemned;
  for (const Condemnation& condemnation : index.facts().condemnations) {
    condemned.insert(condemnation.pack);
  }
  return condemned;
}

std::uint64_t check_records(Repository& repository, bool read, FindingList& findings,
                            const std::stop_token& stop) {
  std::uint64_t count = 0;
  std::vector<RecordId> to_read;
  repository.backend().list(ObjectType::index, [&](const backends::ObjectInfo& info) {
    ++count;
    if (read) to_read.push_back(RecordId{info.name.id.bytes()});
  });
  if (!read) to_read = repository.unreadable_records();
  for (const RecordId& id : to_read) {
    check_stop(stop);
    try {
      check_record(repository, id, findings);
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      if (error.code() == ErrorCode::not_found) continue;
      findings.add(FindingKind::record_unreadable, Severity::error, format::record_name(id).path(),
                   error.what());
    }
  }
  return count;
}

void check_snapshots(Repository& repository, FindingList& findings) {
  const auto list = repository.snapshots();
  for (const UnreadableSnapshot& unreadable : list->unreadable) {
    const format::ObjectName name = format::snapshot_name(unreadable.id);
    FindingKind kind = FindingKind::snapshot_unreadable;
    std::string reason = unreadable.reason;
    try {
      const auto stored = read_stored(repository.backend(), name, kMaxSnapshotBytes);
      if (!stored) continue;
      const ObjectVerdict judged = judge_snapshot(unreadable.id, *stored, repository.keyring());
      if (judged.verdict == Verdict::newer) kind = FindingKind::snapshot_unsupported;
      if (!judged.reason.empty()) reason = judged.reason;
    } catch (const Error& error) {
      if (stops_work(error.code())) throw;
      reason = error.what();
    }
    Finding& finding = findings.add(
        kind, kind == FindingKind::snapshot_unsupported ? Severity::warning : Severity::error,
        name.path(), std::move(reason));
    finding.snapshots = {unreadable.id};
  }
  for (const SnapshotId& id : list->revoked) {
    findings.add(FindingKind::snapshot_revoked, Severity::note, format::snapshot_name(id).path(),
                 "its author was revoked");
  }
  for (const ListedSnapshot& listed : list->snapshots) {
    const Snapshot& snapshot = *listed.snapshot;
    const std::string object = format::snapshot_name(snapshot.id).path();
    if (!snapshot.belongs_to_line) {
      findings.add(FindingKind::snapshot_foreign, Severity::warning, object,
                   fmt::format("key '{}' may not write for host '{}'", snapshot.author.label,
                               snapshot.host));
    }
    if (snapshot.kind != kTreeSnapshot) {
      findings.add(FindingKind::snapshot_unsupported, Severity::warning, object,
                   fmt::format("is of kind {}, which this version does not open", snapshot.kind));
    }
  }
}

void check_closure(Repository& repository, FindingList& findings) {
  backends::Backend& backend = repository.backend();
  std::set<format::ObjectName> there;
  for (const ObjectType type : {ObjectType::index, ObjectType::snapshot}) {
    backend.list(type, [&](const backends::ObjectInfo& info) { there.insert(info.name); });
  }
  const std::vector<SnapshotId> removed = repository.index().removed_snapshots();
  const std::vector<RecordId> superseded = repository.index().superseded_records();
  const auto look = [&](const format::ObjectName& name, bool by_full_author) {
    const bool explained =
        name.type == ObjectType::snapshot
            ? std::binary_search(removed.begin(), removed.end(), SnapshotId{name.id.bytes()})
            : std::binary_search(superseded.begin(), superseded.end(), RecordId{name.id.bytes()});
    // Listings may lag: asked by name before it counts.
    if (explained || there.contains(name) || backend.stat(name)) return;
    findings.add(FindingKind::object_absent, by_full_author ? Severity::error : Severity::warning,
                 name.path(),
                 fmt::format("is missing; {} author claims to have seen it",
                             by_full_author ? "a full" : "an ingest"));
  };
  for_each_claim(repository, look);
}

PackSurvey survey_packs(Repository& repository, FindingList& findings, BadPlaces& bad) {
  backends::Backend& backend = repository.backend();
  std::unordered_map<PackId, std::uint64_t> stored;
  backend.list(ObjectType::pack, [&](const backends::ObjectInfo& info) {
    stored.emplace(PackId{info.name.id.bytes()}, info.stored_bytes);
  });
  struct Missing {
    PackId pack;
    EntryDigest entry{};
  };
  std::vector<Missing> missing;
  const std::set<PackId> condemned = condemned_packs(repository.index());
  std::set<PackId> named;
  PackSurvey survey;
  const auto add = [&](FindingKind kind, const PackId& id, std::string what) {
    const bool given_up = condemned.contains(id);
    findings.add(kind, given_up ? Severity::warning : Severity::error, format::pack_name(id).path(),
                 given_up ? what + kGivenUp : what);
  };
  repository.index().for_each_pack(false, [&](const IndexedPack& indexed) {
    const PackDescription& pack = indexed.description;
    const bool is_first = named.insert(pack.id).second;
    const auto found = stored.find(pack.id);
    if (found == stored.end()) {
      missing.push_back({pack.id, indexed.entry});
      return;
    }
    if (is_first) survey.packs.push_back({pack.id, found->second});
    if (found->second != pack.stored_bytes) {
      // Which of the two is wrong, and what can still be read, only reading tells.
      if (survey.suspects.empty() || survey.suspects.back() != pack.id) {
        survey.suspects.push_back(pack.id);
      }
      add(FindingKind::pack_damaged, pack.id,
          fmt::format("has {} bytes; its index record says {}", found->second, pack.stored_bytes));
    }
  });
  if (!missing.empty()) repository.refresh();
  for (const Missing& entry : missing) {
    const format::ObjectName name = format::pack_name(entry.pack);
    if (repository.index().is_buried(entry.pack) || backend.stat(name)) continue;
    add(FindingKind::pack_missing, entry.pack, "is missing from the store");
    bad.add_pack(entry.pack, entry.entry);
  }
  for (const auto& [id, bytes] : stored) {
    if (named.contains(id)) continue;
    const bool dead = repository.index().is_buried(id);
    findings.add(dead ? FindingKind::pack_dead : FindingKind::pack_unnamed, Severity::note,
                 format::pack_name(id).path(),
                 dead
                     ? fmt::format("is dead and waits to be deleted ({} bytes)", bytes)
                     : fmt::format("no index record names it ({} bytes; left by a session that was "
                                   "interrupted or is still at work, or its record is lost)",
                                   bytes));
  }
  return survey;
}

}  // namespace vgerfs::repo
