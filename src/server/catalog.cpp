#include "server/catalog.h"

#include <limits>
#include <string_view>
#include <utility>

#include "base/error.h"
#include "server/repository_files.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

ObjectType type_of(const Statement& row, int column) {
  const auto type = format::parse_object_type(row.text(column));
  if (!type) throw Error{ErrorCode::corrupt, "the server's database names an unknown type"};
  return *type;
}

std::optional<std::int64_t> optional_integer(const Statement& row, int column) {
  if (row.is_null(column)) return std::nullopt;
  return row.integer(column);
}

RepositoryRow repository_of(const Statement& row) {
  return {.id = row.integer(0),
          .name = std::string{row.text(1)},
          .created_at = row.integer(2),
          .last_backup_at = optional_integer(row, 3),
          .head = {row.number<std::uint64_t>(4), row.array<32>(5)}};
}

/// What the history calls whoever did it.
std::string token_name(Database& database, std::int64_t token) {
  if (token == kConfiguredToken) return "configured";
  if (token == kServerItself) return "server";
  auto row = database.query("SELECT name FROM tokens WHERE id = ?1");
  row.bind(token);
  return row.step() ? std::string{row.text(0)} : "directory";
}

TrashRow trash_of(const Statement& row) {
  return {.id = row.integer(0),
          .repository = row.integer(1),
          .object = {type_of(row, 2), row.id<ObjectId>(3)},
          .bytes = row.number<std::uint64_t>(4),
          .removed_at = row.integer(5),
          .file = std::string{row.text(6)}};
}

}  // namespace

std::optional<RepositoryRow> Catalog::find_repository(const RepositoryName& name) {
  auto row = database_.query(
      "SELECT id, name, created_at, last_backup_at, sequence, chain FROM repositories"
      " WHERE name = ?1");
  row.bind(name.text());
  return row.step() ? std::optional{repository_of(row)} : std::nullopt;
}

std::optional<RepositoryRow> Catalog::find_repository(std::int64_t id) {
  auto row = database_.query(
      "SELECT id, name, created_at, last_backup_at, sequence, chain FROM repositories"
      " WHERE id = ?1");
  row.bind(id);
  return row.step() ? std::optional{repository_of(row)} : std::nullopt;
}

std::vector<RepositoryRow> Catalog::repositories() {
  std::vector<RepositoryRow> found;
  auto row = database_.query(
      "SELECT id, name, created_at, last_backup_at, sequence, chain FROM repositories"
      " ORDER BY name");
  while (row.step()) found.push_back(repository_of(row));
  return found;
}

std::int64_t Catalog::add_repository(const RepositoryName& name, std::int64_t now) {
  if (const auto known = find_repository(name)) return known->id;
  database_
      .query("INSERT INTO repositories(name, created_at, chain) VALUES(?1, ?2, randomblob(32))")
      .bind(name.text(), now)
      .run();
  return database_.last_row();
}

std::optional<ObjectRow> Catalog::find_object(std::int64_t repository, const ObjectName& name) {
  auto row = database_.query(
      "SELECT bytes, token, stored_at_ns, sequence FROM objects"
      " WHERE repository = ?1 AND type = ?2 AND name = ?3");
  row.bind(repository, format::directory_name(name.type), name.id);
  if (!row.step()) return std::nullopt;
  return ObjectRow{name, row.number<std::uint64_t>(0), row.integer(1), row.integer(2),
                   row.integer(3)};
}

void Catalog::list_objects(std::int64_t repository, ObjectType type,
                           const std::function<void(const ObjectRow&)>& each) {
  auto row = database_.query(
      "SELECT name, bytes, token, stored_at_ns, sequence FROM objects"
      " WHERE repository = ?1 AND type = ?2");
  row.bind(repository, format::directory_name(type));
  while (row.step()) {
    each({{type, row.id<ObjectId>(0)},
          row.number<std::uint64_t>(1),
          row.integer(2),
          row.integer(3),
          row.integer(4)});
  }
}

std::int64_t Catalog::record_change(std::int64_t repository, std::int64_t token,
                                    format::StoreChange change) {
  Sha256Digest before{};
  {
    auto row = database_.query(
        "UPDATE repositories SET sequence = sequence + 1 WHERE id = ?1 RETURNING sequence, chain");
    row.bind(repository);
    if (!row.step()) throw Error{ErrorCode::no_repository, "the repository is gone"};
    change.sequence = row.number<std::uint64_t>(0);
    before = row.array<32>(1);
    row.step();  // ends the statement
  }
  change.token = token_name(database_, token);
  const Sha256Digest hash = format::link_hash(before, change);
  database_.query("UPDATE repositories SET chain = ?2 WHERE id = ?1").bind(repository, hash).run();
  database_
      .query(
          "INSERT INTO changes(repository, sequence, is_added, type, name, bytes, stored_at_ns, at,"
          " token, chain_before) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)")
      .bind(repository, change.sequence, change.is_added,
            format::directory_name(change.object.type), change.object.id, change.bytes,
            change.stored_at_ns, change.at_s, change.token, before)
      .run();
  touched_.insert(repository);
  return static_cast<std::int64_t>(change.sequence);
}

bool Catalog::add_object(std::int64_t repository, const ObjectRow& object, std::int64_t now) {
  const ObjectName& name = object.name;
  if (find_object(repository, name)) return false;
  const std::int64_t sequence = record_change(repository, object.token,
                                              {.is_added = true,
                                               .object = name,
                                               .bytes = object.bytes,
                                               .stored_at_ns = object.stored_at_ns,
                                               .at_s = now});
  database_
      .query(
          "INSERT INTO objects(repository, type, name, bytes, token, sequence, stored_at_ns)"
          " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)")
      .bind(repository, format::directory_name(name.type), name.id, object.bytes, object.token,
            sequence, object.stored_at_ns)
      .run();
  if (name.type == ObjectType::snapshot) {
    database_.query("UPDATE repositories SET last_backup_at = ?2 WHERE id = ?1")
        .bind(repository, now)
        .run();
  }
  return true;
}

bool Catalog::remove_object(std::int64_t repository, const ObjectName& name, std::int64_t token,
                            std::int64_t now) {
  const auto known = find_object(repository, name);
  if (!known) return false;
  database_.query("DELETE FROM objects WHERE repository = ?1 AND type = ?2 AND name = ?3")
      .bind(repository, format::directory_name(name.type), name.id)
      .run();
  record_change(repository, token,
                {.is_added = false,
                 .object = name,
                 .bytes = known->bytes,
                 .stored_at_ns = known->stored_at_ns,
                 .at_s = now});
  return true;
}

void Catalog::changes_since(std::int64_t repository, std::uint64_t since,
                            const std::function<bool(const format::StoreChange&)>& each) {
  auto row = database_.query(
      "SELECT sequence, is_added, type, name, bytes, stored_at_ns, at, token FROM changes"
      " WHERE repository = ?1 AND sequence > ?2 ORDER BY sequence");
  row.bind(repository, since);
  while (row.step()) {
    const bool goes_on = each({.sequence = row.number<std::uint64_t>(0),
                               .is_added = row.integer(1) != 0,
                               .object = {type_of(row, 2), row.id<ObjectId>(3)},
                               .bytes = row.number<std::uint64_t>(4),
                               .stored_at_ns = row.integer(5),
                               .at_s = row.integer(6),
                               .token = std::string{row.text(7)}});
    if (!goes_on) return;
  }
}

std::optional<Sha256Digest> Catalog::hash_at(std::int64_t repository, std::uint64_t sequence) {
  auto row =
      database_.query("SELECT chain_before FROM changes WHERE repository = ?1 AND sequence = ?2");
  row.bind(repository, sequence + 1);
  return row.step() ? std::optional{row.array<32>(0)} : std::nullopt;
}

void Catalog::forget_changes_before(std::int64_t time) {
  for (const RepositoryRow& repository : repositories()) {
    std::int64_t first_kept = std::numeric_limits<std::int64_t>::max();
    {
      auto row = database_.query(
          "SELECT sequence FROM changes WHERE repository = ?1 AND at >= ?2"
          " ORDER BY sequence LIMIT 1");
      row.bind(repository.id, time);
      if (row.step()) first_kept = row.integer(0);
    }
    database_.query("DELETE FROM changes WHERE repository = ?1 AND sequence < ?2")
        .bind(repository.id, first_kept)
        .run();
  }
}

std::vector<ObjectRow> Catalog::objects_after(std::int64_t repository,
                                              const std::optional<ObjectName>& last,
                                              std::size_t at_most) {
  std::vector<ObjectRow> found;
  const ObjectName after = last.value_or(ObjectName{});  // lives as long as the statement reads it
  auto row = database_.query(
      "SELECT type, name, bytes, token, stored_at_ns, sequence FROM objects"
      " WHERE repository = ?1 AND (type, name) > (?2, ?3) ORDER BY type, name LIMIT ?4");
  row.bind(repository, last ? format::directory_name(after.type) : std::string_view{}, after.id,
           at_most);
  while (row.step()) {
    found.push_back({{type_of(row, 0), row.id<ObjectId>(1)},
                     row.number<std::uint64_t>(2),
                     row.integer(3),
                     row.integer(4),
                     row.integer(5)});
  }
  return found;
}

void Catalog::set_checked(std::int64_t repository, const ObjectName& name, std::int64_t now) {
  database_
      .query("UPDATE objects SET checked_at = ?4 WHERE repository = ?1 AND type = ?2 AND name = ?3")
      .bind(repository, format::directory_name(name.type), name.id, now)
      .run();
}

std::int64_t Catalog::checked_at(std::int64_t repository, const ObjectName& name) {
  auto row = database_.query(
      "SELECT checked_at FROM objects WHERE repository = ?1 AND type = ?2 AND name = ?3");
  row.bind(repository, format::directory_name(name.type), name.id);
  return row.step() ? row.integer(0) : 0;
}

ScrubRow Catalog::scrub(std::int64_t repository) {
  auto row = database_.query(
      "SELECT last_type, last_name, began_at, complete_since FROM scrubs WHERE repository = ?1");
  row.bind(repository);
  if (!row.step()) return {};
  ScrubRow found{.last = std::nullopt,
                 .began_at = optional_integer(row, 2),
                 .complete_since = optional_integer(row, 3)};
  if (!row.is_null(0)) found.last = ObjectName{type_of(row, 0), row.id<ObjectId>(1)};
  return found;
}

void Catalog::set_scrub(std::int64_t repository, const ScrubRow& scrub) {
  std::optional<std::string_view> type;
  std::optional<ObjectId> name;
  if (scrub.last) {
    type = format::directory_name(scrub.last->type);
    name = scrub.last->id;
  }
  database_
      .query(
          "INSERT OR REPLACE INTO scrubs(repository, last_type, last_name, began_at,"
          " complete_since) VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind(repository, type, name, scrub.began_at, scrub.complete_since)
      .run();
}

void Catalog::set_damage(const DamageRow& damage) {
  database_
      .query(
          "INSERT OR IGNORE INTO damages(repository, type, name, found_at, problem)"
          " VALUES(?1, ?2, ?3, ?4, ?5)")
      .bind(damage.repository, format::directory_name(damage.object.type), damage.object.id,
            damage.found_at, damage.problem)
      .run();
}

void Catalog::clear_damage(std::int64_t repository, const ObjectName& name) {
  database_.query("DELETE FROM damages WHERE repository = ?1 AND type = ?2 AND name = ?3")
      .bind(repository, format::directory_name(name.type), name.id)
      .run();
}

std::vector<DamageRow> Catalog::damages(std::int64_t repository, std::size_t at_most) {
  std::vector<DamageRow> found;
  auto row = database_.query(
      "SELECT type, name, found_at, problem FROM damages WHERE repository = ?1 LIMIT ?2");
  row.bind(repository, at_most);
  while (row.step()) {
    found.push_back({.repository = repository,
                     .object = {type_of(row, 0), row.id<ObjectId>(1)},
                     .found_at = row.integer(2),
                     .problem = std::string{row.text(3)}});
  }
  return found;
}

std::uint64_t Catalog::damage_count(std::int64_t repository) {
  auto row = database_.query("SELECT count(*) FROM damages WHERE repository = ?1");
  row.bind(repository);
  return row.step() ? row.number<std::uint64_t>(0) : 0;
}

std::int64_t Catalog::add_trash(const TrashRow& row) {
  database_
      .query(
          "INSERT INTO trash(repository, type, name, bytes, removed_at, file)"
          " VALUES(?1, ?2, ?3, ?4, ?5, ?6)")
      .bind(row.repository, format::directory_name(row.object.type), row.object.id, row.bytes,
            row.removed_at, row.file)
      .run();
  return database_.last_row();
}

void Catalog::remove_trash(std::int64_t id) {
  database_.query("DELETE FROM trash WHERE id = ?1").bind(id).run();
}

std::optional<TrashRow> Catalog::find_trash(std::int64_t id) {
  auto row = database_.query(
      "SELECT id, repository, type, name, bytes, removed_at, file FROM trash WHERE id = ?1");
  row.bind(id);
  return row.step() ? std::optional{trash_of(row)} : std::nullopt;
}

bool Catalog::has_trash_file(const std::string& file) {
  auto row = database_.query("SELECT 1 FROM trash WHERE file = ?1");
  row.bind(file);
  return row.step();
}

std::vector<TrashRow> Catalog::trash() {
  std::vector<TrashRow> found;
  auto row = database_.query(
      "SELECT id, repository, type, name, bytes, removed_at, file FROM trash ORDER BY id");
  while (row.step()) found.push_back(trash_of(row));
  return found;
}

std::vector<TrashRow> Catalog::trash_before(std::int64_t time, int at_most) {
  std::vector<TrashRow> found;
  auto row = database_.query(
      "SELECT id, repository, type, name, bytes, removed_at, file FROM trash"
      " WHERE removed_at < ?1 ORDER BY removed_at LIMIT ?2");
  row.bind(time, at_most);
  while (row.step()) found.push_back(trash_of(row));
  return found;
}

std::vector<TrashTotalRow> Catalog::trash_totals() {
  std::vector<TrashTotalRow> found;
  auto row =
      database_.query("SELECT repository, count(*), sum(bytes) FROM trash GROUP BY repository");
  while (row.step()) {
    found.push_back({.repository = row.integer(0),
                     .objects = row.number<std::uint64_t>(1),
                     .bytes = row.number<std::uint64_t>(2)});
  }
  return found;
}

std::vector<TotalRow> Catalog::totals() {
  std::vector<TotalRow> found;
  auto row = database_.query("SELECT repository, token, type, objects, bytes FROM totals");
  while (row.step()) {
    found.push_back({.repository = row.integer(0),
                     .token = row.integer(1),
                     .type = type_of(row, 2),
                     .objects = row.number<std::uint64_t>(3),
                     .bytes = row.number<std::uint64_t>(4)});
  }
  return found;
}

}  // namespace vgerfs::server
