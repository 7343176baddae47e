#include "repo/maintenance/first_seen.h"

#include "repo/client_database.h"

namespace vgerfs::repo {
namespace {

const DatabaseKind kFirstSeenDatabase{
    .name = "memory of when objects were first seen",
    .schema = R"(
      CREATE TABLE object(
        type INTEGER NOT NULL, id BLOB NOT NULL, seen_s INTEGER NOT NULL,
        PRIMARY KEY(type, id)) WITHOUT ROWID, STRICT;
    )",
    .version = 1,
    .disposable = true,
};

}  // namespace

std::unordered_map<ObjectId, std::int64_t> note_first_seen(Repository& repository,
                                                           format::ObjectType type,
                                                           const std::vector<ObjectId>& there) {
  const std::string path = repository.state_directory() + "/first_seen.sqlite";
  const auto database = open_or_remake(path, [&] {
    return open_client_database(path, {}, kFirstSeenDatabase, repository.config().repository);
  });
  const std::int64_t now_s = repository.options().clock->now().s;
  const auto type_number = static_cast<std::int64_t>(type);
  Transaction transaction{*database, Transaction::Mode::write};
  std::unordered_map<ObjectId, std::int64_t> known;
  {
    auto rows = database->query("SELECT id, seen_s FROM object WHERE type = ?1");
    rows.bind(type_number);
    while (rows.step()) known.emplace(rows.id<ObjectId>(0), rows.integer(1));
  }
  std::unordered_map<ObjectId, std::int64_t> seen;
  for (const ObjectId& id : there) {
    const auto found = known.find(id);
    if (found != known.end() && found->second <= now_s) {
      seen.emplace(id, found->second);
      continue;
    }
    seen.emplace(id, now_s);
    database->query("INSERT OR REPLACE INTO object VALUES (?1, ?2, ?3)")
        .bind(type_number, id, now_s)
        .run();
  }
  for (const auto& [id, seen_s] : known) {
    if (seen.contains(id)) continue;
    database->query("DELETE FROM object WHERE type = ?1 AND id = ?2").bind(type_number, id).run();
  }
  transaction.commit();
  return seen;
}

std::vector<ListedLease> list_dated_leases(Repository& repository) {
  std::vector<ListedLease> leases = list_leases(repository);
  if (repository.backend().capabilities().store_clock) return leases;
  std::vector<ObjectId> there;
  there.reserve(leases.size());
  for (const ListedLease& listed : leases) there.emplace_back(listed.id.bytes());
  const auto seen = note_first_seen(repository, format::ObjectType::lock, there);
  for (ListedLease& listed : leases) {
    listed.stored_at = Timestamp{seen.at(ObjectId{listed.id.bytes()}), 0};
  }
  return leases;
}

}  // namespace vgerfs::repo
