#include "repo/seen_state.h"

#include <algorithm>
#include <mutex>
#include <type_traits>

#include "base/fd.h"
#include "repo/client_database.h"

namespace vgerfs::repo {
namespace {

constexpr DatabaseKind kKind{
    .name = "record of what was seen",
    .schema = R"(
      CREATE TABLE seen(
        kind INTEGER NOT NULL, name BLOB NOT NULL, PRIMARY KEY(kind, name)) WITHOUT ROWID, STRICT;
      CREATE TABLE total(kind INTEGER PRIMARY KEY, sum INTEGER NOT NULL) STRICT;
      INSERT INTO total VALUES (1, 0), (2, 0);
    )",
    .version = 1,
    .disposable = false,
};

// Values of seen.kind and total.kind.
constexpr int kRecord = 1;
constexpr int kSnapshot = 2;

// Sum of the row_hash of all names of a kind.
std::uint64_t read_sum(Database& database, int kind) {
  auto row = database.query("SELECT sum FROM total WHERE kind = ?1");
  if (!row.bind(kind).step()) throw Error{ErrorCode::corrupt, "a total is lost"};
  return static_cast<std::uint64_t>(row.integer(0));
}

void write_sum(Database& database, int kind, std::uint64_t sum) {
  database.query("UPDATE total SET sum = ?2 WHERE kind = ?1").bind(kind, sum).run();
}

template <class IdType>
std::vector<IdType> sorted(std::vector<IdType> ids) {
  std::sort(ids.begin(), ids.end());
  return ids;
}

// Seen ids of a kind that are not among `listed`: one pass over both, which are in the same order.
template <class IdType>
std::vector<IdType> find_missing(Database& database, int kind, const std::vector<IdType>& listed) {
  if (!std::is_sorted(listed.begin(), listed.end())) {
    return find_missing(database, kind, sorted(listed));
  }
  std::vector<IdType> missing;
  std::uint64_t sum = 0;
  auto at = listed.begin();
  auto seen = database.query("SELECT name FROM seen WHERE kind = ?1 ORDER BY name");
  seen.bind(kind);
  while (seen.step()) {
    const auto id = seen.id<IdType>(0);
    sum += row_hash({id.view()});
    while (at != listed.end() && *at < id) ++at;
    if (at == listed.end() || *at != id) missing.push_back(id);
  }
  if (sum != read_sum(database, kind)) throw Error{ErrorCode::corrupt, "rows were changed"};
  return missing;
}

template <class IdType>
std::vector<IdType> find_unseen(Database& database, int kind, const std::vector<IdType>& ids) {
  std::vector<IdType> unseen;
  auto query = database.query("SELECT 1 FROM seen WHERE kind = ?1 AND name = ?2");
  for (const IdType& id : ids) {
    if (!query.bind(kind, id).step()) unseen.push_back(id);
    query.reset();
  }
  return sorted(std::move(unseen));
}

template <class IdType>
void insert(Database& database, int kind, const std::vector<IdType>& ids) {
  std::uint64_t sum = read_sum(database, kind);
  auto query = database.query("INSERT OR IGNORE INTO seen VALUES (?1, ?2) RETURNING kind");
  for (const IdType& id : ids) {
    if (query.bind(kind, id).step()) sum += row_hash({id.view()});
    query.reset();
  }
  write_sum(database, kind, sum);
}

template <class IdType>
void remove(Database& database, int kind, const std::vector<IdType>& ids) {
  std::uint64_t sum = read_sum(database, kind);
  auto query = database.query("DELETE FROM seen WHERE kind = ?1 AND name = ?2 RETURNING kind");
  for (const IdType& id : ids) {
    if (query.bind(kind, id).step()) sum -= row_hash({id.view()});
    query.reset();
  }
  write_sum(database, kind, sum);
}

class SqliteSeenState final : public SeenState {
 public:
  explicit SqliteSeenState(std::unique_ptr<Database> database)
      : database_(std::move(database)),
        watch_(database_->path(), kKind, read_generation(*database_)) {
    auto any = database_->query("SELECT 1 FROM seen LIMIT 1");
    is_new_ = !any.step();
    database_->execute(
        "CREATE TABLE IF NOT EXISTS store_head("
        "one INTEGER PRIMARY KEY CHECK(one = 1), sequence INTEGER NOT NULL, hash BLOB NOT NULL)"
        " STRICT");
  }

  bool is_new() const override { return is_new_; }

  void add(const std::vector<RecordId>& records,
           const std::vector<SnapshotId>& snapshots) override {
    locked([&](Database& database) {
      // Mostly there is little or nothing new, and a transaction would cost an fsync.
      const auto new_records = find_unseen(database, kRecord, records);
      const auto new_snapshots = find_unseen(database, kSnapshot, snapshots);
      if (new_records.empty() && new_snapshots.empty()) return;
      Transaction transaction{database, Transaction::Mode::write};
      insert(database, kRecord, new_records);
      insert(database, kSnapshot, new_snapshots);
      transaction.commit();
    });
  }

  Missing missing(const std::vector<RecordId>& listed_records,
                  const std::vector<SnapshotId>& listed_snapshots) override {
    return locked([&](Database& database) {
      const Transaction transaction{database, Transaction::Mode::read};
      return Missing{find_missing(database, kRecord, listed_records),
                     find_missing(database, kSnapshot, listed_snapshots)};
    });
  }

  std::optional<format::ChainHead> store_head() override {
    return locked([&](Database& database) -> std::optional<format::ChainHead> {
      auto row = database.query("SELECT sequence, hash FROM store_head");
      if (!row.step()) return std::nullopt;
      return format::ChainHead{row.number<std::uint64_t>(0), row.array<32>(1)};
    });
  }

  void set_store_head(const format::ChainHead& head) override {
    locked([&](Database& database) {
      Transaction transaction{database, Transaction::Mode::write};
      database.query("INSERT OR REPLACE INTO store_head VALUES (1, ?1, ?2)")
          .bind(head.sequence, head.hash)
          .run();
      transaction.commit();
    });
  }

  void forget(const Missing& missing) override {
    locked([&](Database& database) {
      Transaction transaction{database, Transaction::Mode::write};
      remove(database, kRecord, missing.records);
      remove(database, kSnapshot, missing.snapshots);
      transaction.commit();
    });
  }

 private:
  template <class Work>
  std::invoke_result_t<Work, Database&> locked(Work work) {
    const std::lock_guard lock{mutex_};
    return watch_.run([&] { return work(*database_); });
  }

  bool is_new_ = false;
  std::mutex mutex_;
  std::unique_ptr<Database> database_;  // guarded by mutex_: calls are few
  DamageWatch watch_;
};

}  // namespace

std::unique_ptr<SeenState> SeenState::open(const std::string& directory,
                                           const RepositoryId& repository) {
  make_directories(directory, 0700);
  const std::string path = directory + "/seen.sqlite";
  return open_or_remake(path, [&] {
    return std::make_unique<SqliteSeenState>(
        open_client_database(path, {.durability = Durability::full}, kKind, repository));
  });
}

}  // namespace vgerfs::repo
