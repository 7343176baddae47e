#include "server/leases.h"

#include <algorithm>
#include <charconv>
#include <set>

#include "base/error.h"
#include "base/log.h"
#include "base/sha256.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

LeaseRow lease_of(const Statement& row) {
  return {.repository = row.integer(0),
          .id = row.id<ObjectId>(1),
          .fence = row.number<std::uint64_t>(2),
          .is_exclusive = row.integer(3) != 0,
          .ttl_s = row.integer(4),
          .token = row.integer(5),
          .token_name = std::string{row.text(6)},
          .made_at = row.integer(7),
          .is_over = row.integer(8) != 0};
}

std::vector<LeaseRow> read_leases(Database& database,
                                  std::optional<std::int64_t> repository = std::nullopt) {
  auto row = database.query(
      "SELECT repository, id, fence, is_exclusive, ttl_s, token, token_name, made_at, is_over"
      " FROM leases WHERE ?1 IS NULL OR repository = ?1 ORDER BY repository, fence");
  row.bind(repository);
  std::vector<LeaseRow> found;
  while (row.step()) found.push_back(lease_of(row));
  return found;
}

std::optional<LeaseRow> find_lease(Database& database, std::int64_t repository,
                                   const ObjectId& id) {
  auto row = database.query(
      "SELECT repository, id, fence, is_exclusive, ttl_s, token, token_name, made_at, is_over"
      " FROM leases WHERE repository = ?1 AND id = ?2");
  row.bind(repository, id);
  return row.step() ? std::optional{lease_of(row)} : std::nullopt;
}

std::optional<LeaseRow> find_lease(Database& database, std::int64_t repository,
                                   std::uint64_t fence) {
  auto row = database.query(
      "SELECT repository, id, fence, is_exclusive, ttl_s, token, token_name, made_at, is_over"
      " FROM leases WHERE repository = ?1 AND fence = ?2");
  row.bind(repository, fence);
  return row.step() ? std::optional{lease_of(row)} : std::nullopt;
}

/// Numbers also follow the clock, so that none comes again after the database was lost, or put back
/// from an older copy. Milliseconds: exact in JSON's numbers.
std::uint64_t next_fence(Database& database, std::int64_t repository, const Timestamp& now) {
  const std::int64_t now_ms = now.s * 1000 + now.ns / 1'000'000;
  auto row = database.query(
      "UPDATE repositories SET last_fence = max(last_fence + 1, ?2) WHERE id = ?1"
      " RETURNING last_fence");
  row.bind(repository, now_ms);
  if (!row.step()) throw Error{ErrorCode::no_repository, "the repository is gone"};
  const auto fence = row.number<std::uint64_t>(0);
  row.step();  // ends the statement
  return fence;
}

HttpError gone() { return HttpError{410, "the lease is over"}; }
HttpError anothers() { return HttpError{403, "the lease is another token's"}; }

}  // namespace

Leases::Leases(ObjectStore& store, CommitQueue& queue, const Clock& clock)
    : store_(store), queue_(queue), clock_(clock) {
  std::vector<LeaseRow> rows;
  std::map<std::int64_t, std::string> names;
  {
    const auto connection = store_.reader();
    rows = read_leases(*connection);
    for (const RepositoryRow& row : Catalog{*connection}.repositories()) names[row.id] = row.name;
  }
  for (const LeaseRow& row : rows) {
    begin_ttl(row);
    const auto name = RepositoryName::parse(names[row.repository]);
    if (row.is_over || !name) continue;
    try {
      store_.touch({row.repository, *name}, {ObjectType::lock, row.id});
    } catch (const Error& error) {
      log::warning("a lease of {} does not look new: {}", name->text(), error.what());
    }
  }
}

std::int64_t Leases::age_ns(const LeaseRow& row) {
  const std::int64_t now_ns = clock_.boot_ns();
  const std::lock_guard lock{mutex_};
  return now_ns - begun_ns_.try_emplace({row.repository, row.id}, now_ns).first->second;
}

bool Leases::is_over(const LeaseRow& row) {
  return row.is_over || age_ns(row) >= row.ttl_s * kNsPerSecond;
}

void Leases::begin_ttl(const LeaseRow& row) {
  const std::int64_t now_ns = clock_.boot_ns();
  const std::lock_guard lock{mutex_};
  begun_ns_[{row.repository, row.id}] = now_ns;
}

void Leases::note_ends(Database& database, std::int64_t repository) {
  for (const LeaseRow& row : read_leases(database, repository)) {
    if (row.is_over || !is_over(row)) continue;
    database.query("UPDATE leases SET is_over = 1 WHERE repository = ?1 AND id = ?2")
        .bind(repository, row.id)
        .run();
  }
}

void Leases::note_ends(const Repository& repository) {
  queue_.commit([&](Change& change) { note_ends(change.database(), repository.id); });
}

LeaseRow Leases::insert(Change& change, const Repository& repository, const Principal& principal,
                        const ObjectId& id, const WantedLease& wanted) {
  const Timestamp now = clock_.now();
  const LeaseRow row{.repository = repository.id,
                     .id = id,
                     .fence = next_fence(change.database(), repository.id, now),
                     .is_exclusive = wanted.is_exclusive,
                     .ttl_s = wanted.ttl_s,
                     .token = principal.id,
                     .token_name = principal.name,
                     .made_at = now.s};
  change.database()
      .query(
          "INSERT INTO leases(repository, id, fence, is_exclusive, ttl_s, token, token_name,"
          " made_at) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)")
      .bind(row.repository, row.id, row.fence, row.is_exclusive, row.ttl_s, row.token,
            row.token_name, row.made_at)
      .run();
  begin_ttl(row);
  return row;
}

std::variant<LeaseRow, LiveLease> Leases::acquire(const Repository& repository,
                                                  const Principal& principal,
                                                  const WantedLease& wanted,
                                                  Reservation reservation) {
  remove_dead(repository);
  const ObjectName name{ObjectType::lock, ObjectId{sha256(wanted.object)}};
  std::optional<LeaseRow> granted;
  std::optional<LiveLease> holder;
  struct Held {};
  const auto decide = [&](Change& change) {
    granted.reset();
    Database& database = change.database();
    if (const auto known = find_lease(database, repository.id, name.id)) {
      if (known->token != principal.id) throw anothers();
      // Whoever works on the directory may have removed its object.
      if (is_over(*known) || !store_.open(repository, name)) throw gone();
      granted = known;
      return;
    }
    const auto object = change.catalog().find_object(repository.id, name);
    if (object && object->token != principal.id) throw anothers();
    note_ends(database, repository.id);
    if (wanted.is_exclusive) {
      for (const LeaseRow& other : read_leases(database, repository.id)) {
        if (!other.is_exclusive || other.is_over) continue;
        holder = LiveLease{other, other.ttl_s - age_ns(other) / kNsPerSecond};
        throw Held{};
      }
    }
    // Its reply, and its row with a crash, may have been lost.
    if (object) granted = insert(change, repository, principal, name.id, wanted);
  };
  const auto published = [&](Change& change) {
    if (!granted) granted = insert(change, repository, principal, name.id, wanted);
  };
  try {
    const auto upload = store_.begin(repository, name, principal, std::move(reservation));
    upload->write(wanted.object);
    store_.add(repository, *upload, decide, published);
  } catch (const Held&) {
    return *holder;
  } catch (const HttpError&) {
    note_ends(repository);
    throw;
  }
  if (!granted) throw anothers();
  return *granted;
}

LeaseRow Leases::renew(const Repository& repository, const ObjectId& id,
                       const Principal& principal) {
  std::optional<LeaseRow> row;
  try {
    queue_.commit([&](Change& change) {
      row = find_lease(change.database(), repository.id, id);
      if (!row) throw gone();
      if (row->token != principal.id) throw anothers();
      if (is_over(*row)) throw gone();
      if (!store_.touch(repository, {ObjectType::lock, id})) throw gone();
      begin_ttl(*row);
    });
  } catch (const HttpError&) {
    note_ends(repository);
    throw;
  }
  return *row;
}

std::optional<LeaseRow> Leases::find(const Repository& repository, const ObjectId& id) {
  const auto connection = store_.reader();
  return find_lease(*connection, repository.id, id);
}

void Leases::release(const Repository& repository, const ObjectId& id, const Principal& principal) {
  store_.remove(repository, {ObjectType::lock, id}, principal);
}

std::vector<LiveLease> Leases::list(const Repository& repository) {
  std::vector<LeaseRow> rows;
  {
    const auto connection = store_.reader();
    rows = read_leases(*connection, repository.id);
  }
  std::vector<LiveLease> live;
  bool has_ended = false;
  for (LeaseRow& row : rows) {
    const std::int64_t left_ns = row.ttl_s * kNsPerSecond - age_ns(row);
    if (!row.is_over && left_ns > 0) {
      live.push_back({std::move(row), left_ns / kNsPerSecond});
    } else {
      has_ended = has_ended || !row.is_over;
    }
  }
  if (has_ended) note_ends(repository);
  return live;
}

std::map<std::int64_t, std::uint64_t> Leases::count() {
  std::vector<LeaseRow> rows;
  {
    const auto connection = store_.reader();
    rows = read_leases(*connection);
  }
  std::map<std::int64_t, std::uint64_t> counts;
  for (const LeaseRow& row : rows) {
    if (!is_over(row)) ++counts[row.repository];
  }
  return counts;
}

void Leases::require_live(Change& change, const Repository& repository, std::uint64_t fence) {
  const auto row = find_lease(change.database(), repository.id, fence);
  if (!row || is_over(*row)) throw Fenced{};
  // Whoever works on the directory may have taken it for dead.
  if (!store_.open(repository, {ObjectType::lock, row->id})) throw Fenced{};
}

void Leases::require_live(const Repository& repository, std::optional<std::uint64_t> fence) {
  if (!fence) return;
  std::optional<LeaseRow> row;
  {
    const auto connection = store_.reader();
    row = find_lease(*connection, repository.id, *fence);
  }
  if (row && !is_over(*row)) return;
  if (row && !row->is_over) note_ends(repository);
  throw Fenced{};
}

void Leases::fenced(const Repository& repository, std::optional<std::uint64_t> fence,
                    const std::function<void(const ChangeGuard&)>& work) {
  if (!fence) return work({});
  try {
    work([&](Change& change) { require_live(change, repository, *fence); });
  } catch (const Fenced&) {
    note_ends(repository);
    throw;
  }
}

void Leases::remove_dead(const Repository& repository) {
  std::vector<LeaseRow> rows;
  {
    const auto connection = store_.reader();
    rows = read_leases(*connection, repository.id);
  }
  const Principal server{.id = kServerItself, .name = "server", .role = Role::admin};
  for (const LeaseRow& row : rows) {
    if (!is_over(row) || age_ns(row) < row.ttl_s * kNsPerSecond / 4 * 5) continue;
    store_.remove(repository, {ObjectType::lock, row.id}, server);
  }
}

void Leases::remove_dead() {
  std::vector<RepositoryRow> repositories;
  {
    const auto connection = store_.reader();
    repositories = Catalog{*connection}.repositories();
  }
  for (const RepositoryRow& row : repositories) {
    if (const auto name = RepositoryName::parse(row.name)) remove_dead({row.id, *name});
  }
  // On the writer's thread, which alone adds any.
  queue_.commit([&](Change& change) {
    std::set<Key> known;
    for (const LeaseRow& row : read_leases(change.database())) {
      known.insert({row.repository, row.id});
    }
    const std::lock_guard lock{mutex_};
    std::erase_if(begun_ns_, [&](const auto& each) { return !known.contains(each.first); });
  });
}

std::optional<std::uint64_t> parse_fence(std::string_view text) {
  if (text.empty()) return std::nullopt;
  std::uint64_t fence = 0;
  const auto [end, failure] = std::from_chars(text.data(), text.data() + text.size(), fence);
  if (failure != std::errc{} || end != text.data() + text.size()) {
    throw HttpError{400, "Vgerfs-Fence is no number"};
  }
  return fence;
}

}  // namespace vgerfs::server
