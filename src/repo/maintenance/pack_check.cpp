#include "repo/maintenance/pack_check.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "base/error.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

CheckedPack check_pack(Repository& repository, const PackId& id, const std::stop_token& stop) {
  CheckedPack checked{id, {}};
  for (IndexedPack& entry : repository.index().find_pack(id)) {
    PackReading reading = examine_pack(repository.backend(), repository.keyring(),
                                       entry.description, entry.entry, stop);
    checked.entries.push_back({std::move(entry), std::move(reading)});
  }
  return checked;
}

}  // namespace

std::uint64_t CheckedPack::read_bytes() const noexcept {
  std::uint64_t bytes = 0;
  for (const Against& against : entries) bytes += against.reading.read_bytes;
  return bytes;
}

bool CheckedPack::is_good() const noexcept {
  return std::any_of(entries.begin(), entries.end(),
                     [](const Against& against) { return against.reading.is_good(); });
}

void check_packs(Repository& repository, const std::vector<PackId>& packs, unsigned threads,
                 const std::stop_token& stop, const std::function<void(CheckedPack)>& each) {
  using Pool = WorkerPool<PackId, CheckedPack>;
  Pool pool{
      {.thread_name = "vgerfs-check", .threads = threads, .queued_tasks = 4, .batch_tasks = 1},
      stop,
      [&](const std::stop_token& token) -> Pool::Worker {
        return [&repository, token](const PackId& id) { return check_pack(repository, id, token); };
      }};
  const auto collect = [&](std::chrono::milliseconds timeout) {
    for (CheckedPack& checked : pool.take(timeout)) each(std::move(checked));
  };
  for (const PackId& pack : packs) {
    if (stop.stop_requested()) break;
    pool.submit(pack, 1);
    collect(std::chrono::milliseconds{0});
  }
  while (pool.outstanding() > 0 && !stop.stop_requested()) {
    collect(std::chrono::milliseconds{200});
  }
  if (stop.stop_requested()) throw Error{ErrorCode::interrupted, "the check was interrupted"};
}

void add_findings(const CheckedPack& pack, bool is_condemned, FindingList& findings) {
  const std::string object = format::pack_name(pack.id).path();
  const Severity severity = is_condemned ? Severity::warning : Severity::error;
  const auto add = [&](FindingKind kind, Severity how_bad, std::string what) {
    if (is_condemned) what += kGivenUp;
    findings.add(kind, how_bad, object, std::move(what));
  };
  for (const auto& [entry, reading] : pack.entries) {
    if (reading.is_good()) continue;
    if (reading.missing) {
      add(FindingKind::pack_missing, severity, "is missing from the store");
    } else if (reading.newer) {
      add(FindingKind::pack_unsupported, Severity::warning, reading.fault);
    } else if (reading.intact) {
      // What a full author says is not hashed at each read.
      add(FindingKind::entry_false, entry.trusted ? severity : Severity::warning,
          fmt::format("is as it was written, but not what record {} says: {}",
                      entry.records.front().short_hex(), reading.fault));
    } else {
      add(FindingKind::pack_damaged, severity, reading.fault);
    }
  }
}

std::vector<HashedBlocks> hashed_blocks(const CheckedPack& pack) {
  std::vector<HashedBlocks> hashed;
  for (const auto& [entry, reading] : pack.entries) {
    if (entry.trusted || entry.all_vouched || !reading.intact) continue;
    Vouch vouch{entry.description.id, entry.entry, {}};
    std::vector<std::uint32_t> good;
    auto bad = reading.bad_blocks.begin();
    for (std::uint32_t i = 0; i < entry.description.blocks.size(); ++i) {
      if (bad != reading.bad_blocks.end() && bad->position == i) {
        ++bad;
      } else if (!std::binary_search(entry.vouched_blocks.begin(), entry.vouched_blocks.end(), i)) {
        good.push_back(i);
      }
    }
    if (good.empty()) continue;
    const std::uint64_t count = good.size();
    if (!reading.bad_blocks.empty()) vouch.blocks = std::move(good);
    hashed.push_back({std::move(vouch), count});
  }
  return hashed;
}

}  // namespace vgerfs::repo
