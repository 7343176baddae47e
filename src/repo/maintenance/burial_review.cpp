#include "repo/maintenance/burial_review.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "repo/maintenance/salvage.h"

namespace vgerfs::repo {
namespace {

/// Whether all that is needed of a condemned pack and nowhere else can be read: if not, nothing new
/// may rest on it.
bool is_sound(Repository& repository, const StoredPacks& stored, const Marks& marks,
              const PackId& id) {
  const auto is_missed = [&](const ChunkEntry& chunk) {
    return marks.contains(chunk.id) && !keeper_of(repository.index(), stored, chunk.id);
  };
  for (const IndexedPack& pack : repository.index().find_pack(id)) {
    for (const BlockEntry& block : pack.description.blocks) {
      if (std::any_of(block.chunks.begin(), block.chunks.end(), is_missed) &&
          !is_intact(repository, id, block)) {
        return false;
      }
    }
  }
  return true;
}

}  // namespace

std::optional<ChunkPlace> keeper_of(IndexCache& index, const StoredPacks& stored,
                                    const ChunkId& id) {
  std::optional<ChunkPlace> keeper;
  for (ChunkPlace& place : index.find(id)) {
    if (!place.trusted || place.condemned || !stored.contains(place.pack)) continue;
    if (!keeper || place.pack < keeper->pack) keeper = std::move(place);
  }
  return keeper;
}

StoredPacks list_packs(Repository& repository) {
  StoredPacks stored;
  repository.backend().list(format::ObjectType::pack, [&](const backends::ObjectInfo& info) {
    stored.emplace(PackId{info.name.id.bytes()}, info.stored_bytes);
  });
  return stored;
}

BurialReview review_condemned(Repository& repository, const std::vector<ListedLease>& sessions,
                              const Marks& marks, std::int64_t due_s) {
  IndexCache& index = repository.index();
  const StoreTimes times{repository};
  BurialReview review;
  std::map<PackId, std::vector<Condemnation>> condemned;
  for (const Condemnation& condemnation : index.facts().condemnations) {
    condemned[condemnation.pack].push_back(condemnation);
  }
  if (condemned.empty()) return review;

  // A chunk keeps its pack alive unless a copy that stays is in the store.
  const StoredPacks stored = list_packs(repository);
  std::map<PackId, PlannedPack> packs;
  std::set<PackId> needed;
  for (const auto& [id, condemnations] : condemned) {
    const auto listed = stored.find(id);
    PlannedPack& planned = packs[id];
    planned = {id, listed == stored.end() ? 0 : listed->second, 0, false};
    for (const IndexedPack& pack : index.find_pack(id)) {
      for (const BlockEntry& block : pack.description.blocks) {
        for (const ChunkEntry& chunk : block.chunks) {
          if (!marks.contains(chunk.id)) continue;
          if (keeper_of(index, stored, chunk.id)) {
            planned.has_copies = true;
          } else {
            needed.insert(id);
          }
        }
      }
    }
  }

  const auto known_to_all = [&](const RecordId& origin) {
    for (const ListedLease& session : sessions) {
      if (!session.lease) return false;
      const auto& known = session.lease->condemnations;
      if (std::find(known.begin(), known.end(), origin) == known.end()) return false;
    }
    return true;
  };
  bool sessions_wait = false;
  for (const auto& [pack, condemnations] : condemned) {
    if (needed.contains(pack) && !is_sound(repository, stored, marks, pack)) {
      ++review.waiting_packs;
      review.waiting_bytes += packs.at(pack).stored_bytes;
      review.notes.push_back(
          fmt::format("pack {} is damaged or missing; it stays condemned until the same data is "
                      "backed up again",
                      pack.short_hex()));
      continue;
    }
    if (needed.contains(pack)) {
      PlannedRescue rescue{pack, {}};
      for (const Condemnation& each : condemnations) rescue.origins.push_back(each.origin.value());
      review.needed.push_back(std::move(rescue));
      continue;
    }
    bool old = false;
    bool due = false;
    for (const Condemnation& each : condemnations) {
      if (times.of_record(each.origin.value(), each.time_s) > due_s) continue;
      old = true;
      due = due || known_to_all(each.origin.value());
    }
    const PlannedPack& planned = packs.at(pack);
    if (due) {
      review.due.push_back(planned);
      continue;
    }
    ++review.waiting_packs;
    review.waiting_bytes += planned.stored_bytes;
    sessions_wait = sessions_wait || old;
  }
  if (sessions_wait) {
    for (const ListedLease& session : sessions) {
      review.notes.push_back("condemned packs wait for " + describe(session));
    }
  }
  return review;
}

}  // namespace vgerfs::repo
