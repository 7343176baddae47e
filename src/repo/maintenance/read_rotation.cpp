#include "repo/maintenance/read_rotation.h"

#include <algorithm>
#include <tuple>
#include <unordered_map>

#include "repo/client_database.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kNotedAtOnce = 64;

// Runs are counted: clocks jump.
const DatabaseKind kReadsDatabase{
    .name = "memory of what was read",
    .schema = R"(
      CREATE TABLE reading(
        pack BLOB PRIMARY KEY, run INTEGER NOT NULL, bad INTEGER NOT NULL) WITHOUT ROWID, STRICT;
    )",
    .version = 1,
    .disposable = true,
};

std::unique_ptr<Database> open_database(const std::string& directory,
                                        const RepositoryId& repository) {
  const std::string path = directory + "/reads.sqlite";
  return open_or_remake(path,
                        [&] { return open_client_database(path, {}, kReadsDatabase, repository); });
}

}  // namespace

ReadRotation::ReadRotation(const std::string& directory, const RepositoryId& repository)
    : database_(open_database(directory, repository)) {
  auto last = database_->query("SELECT coalesce(max(run), 0) + 1 FROM reading");
  last.step();
  run_ = last.integer(0);
}

std::vector<PackId> ReadRotation::choose(std::vector<Pack> packs, std::uint64_t budget_bytes) {
  struct Known {
    std::int64_t run = 0;
    bool bad = false;
    bool there = false;
  };
  std::unordered_map<PackId, Known> known;
  {
    auto rows = database_->query("SELECT pack, run, bad FROM reading");
    while (rows.step()) {
      known[rows.id<PackId>(0)] = {rows.integer(1), rows.integer(2) != 0, false};
    }
  }
  const auto rank = [&](const Pack& pack) {
    const auto found = known.find(pack.id);
    const Known what = found == known.end() ? Known{} : found->second;
    return std::tuple{!what.bad, what.run, pack.id};
  };
  std::sort(packs.begin(), packs.end(),
            [&](const Pack& a, const Pack& b) { return rank(a) < rank(b); });
  std::vector<PackId> chosen;
  std::uint64_t bytes = 0;
  for (const Pack& pack : packs) {
    const auto found = known.find(pack.id);
    if (found != known.end()) found->second.there = true;
    if (bytes >= budget_bytes) continue;
    bytes += pack.stored_bytes;
    chosen.push_back(pack.id);
  }
  Transaction transaction{*database_, Transaction::Mode::write};
  for (const auto& [id, what] : known) {
    if (!what.there) database_->query("DELETE FROM reading WHERE pack = ?1").bind(id).run();
  }
  transaction.commit();
  return chosen;
}

void ReadRotation::note(const PackId& id, bool good) {
  noted_.push_back({id, good});
  if (noted_.size() >= kNotedAtOnce) keep();
}

void ReadRotation::keep() {
  Transaction transaction{*database_, Transaction::Mode::write};
  for (const Reading& reading : noted_) {
    database_->query("INSERT OR REPLACE INTO reading VALUES (?1, ?2, ?3)")
        .bind(reading.id, run_, !reading.good)
        .run();
  }
  transaction.commit();
  noted_.clear();
}

std::vector<PackId> ReadRotation::bad_packs() {
  std::vector<PackId> bad;
  auto rows = database_->query("SELECT pack FROM reading WHERE bad ORDER BY pack");
  while (rows.step()) bad.push_back(rows.id<PackId>(0));
  return bad;
}

}  // namespace vgerfs::repo
