#include "repo/maintenance/repack.h"

#include <algorithm>
#include <set>

#include "base/error.h"
#include "repo/block.h"
#include "repo/maintenance/stops_work.h"
#include "repo/session.h"
#include "repo/worker_pool.h"

namespace vgerfs::repo {
namespace {

constexpr const char* kSource = "maintenance";

struct Outcome {
  PackId pack;
  std::uint64_t stored_bytes = 0;
  std::string damage;  // empty: all that lives of it is in the session
};

class Mover {
 public:
  Mover(Repository& repository, const Marks& marks, const StoredPacks& stored,
        const std::set<PackId>& leaving, Session& session)
      : repository_(repository),
        marks_(marks),
        stored_(stored),
        leaving_(leaving),
        session_(session) {}

  Outcome move(const PlannedPack& planned, const std::stop_token& stop) const {
    Outcome outcome{planned.id, planned.stored_bytes, {}};
    try {
      for (const IndexedPack& pack : repository_.index().find_pack(planned.id)) {
        for (const BlockEntry& block : pack.description.blocks) {
          throw_if_stopped(stop);
          for (const ChunkEntry& chunk : block.chunks) {
            if (marks_.contains(chunk.id)) move_chunk(block.chunk_kind, chunk.id, planned.id);
          }
        }
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) throw;
      outcome.damage = error.what();
    }
    return outcome;
  }

 private:
  void move_chunk(ChunkKind kind, const ChunkId& id, const PackId& from) const {
    const std::optional<ChunkPlace> keeper = keeper_of(repository_.index(), stored_, id);
    // A copy is dropped only in favour of one that was hashed.
    if (keeper && keeper->pack != from && !leaving_.contains(keeper->pack) && is_intact(*keeper))
      return;
    const ChunkView view = repository_.reader().view(kind, id);
    if (repository_.keyring().chunk_id(kind, view.bytes) != id) {
      throw Error{ErrorCode::corrupt,
                  fmt::format("chunk {} has other content than its name says", id.short_hex())};
    }
    session_.put_again(kind, view.bytes);
  }

  bool is_intact(const ChunkPlace& place) const {
    try {
      Bytes stored(place.block.stored_bytes);
      repository_.backend().read(format::pack_name(place.pack), place.block.offset, stored);
      const Bytes plain = open_block(stored, place.block, repository_.keyring());
      const ChunkEntry& chunk = place.block.chunks[place.position];
      return repository_.keyring().chunk_id(
                 place.block.chunk_kind,
                 ByteView{plain}.subspan(place.offset, chunk.plain_bytes)) == chunk.id;
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) throw;
      return false;
    }
  }

  Repository& repository_;
  const Marks& marks_;
  const StoredPacks& stored_;
  const std::set<PackId>& leaving_;
  Session& session_;
};

}  // namespace

RepackResult repack(Repository& repository, const ExclusiveLease& lease, const Marks& marks,
                    const CompactPlan& plan, const CompactOptions& options,
                    const RepackProgress& progress, const std::stop_token& stop) {
  lease.require_held();
  RepackResult result;
  if (plan.repack.empty()) return result;
  std::set<PackId> leaving;
  for (const PlannedPack& pack : plan.repack) leaving.insert(pack.id);
  SessionOptions session_options;
  session_options.host = repository.options().host;
  session_options.source = kSource;
  session_options.pack_bytes = options.pack_bytes;
  session_options.threads = options.threads;
  Session session{repository, session_options};
  const Mover mover{repository, marks, plan.stored, leaving, session};
  std::vector<PackId> moved;
  using Pool = WorkerPool<PlannedPack, Outcome>;
  {
    std::stop_source abandon;  // a stop lets the packs at work end: what they stored counts
    Pool pool{{.thread_name = "vgerfs-repack",
               .threads = options.threads,
               .queued_tasks = 8,
               .batch_tasks = 1},
              abandon.get_token(),
              [&](const std::stop_token& token) -> Pool::Worker {
                return [&mover, token](PlannedPack& pack) { return mover.move(pack, token); };
              }};
    const auto collect = [&](std::chrono::milliseconds timeout) {
      for (Outcome& outcome : pool.take(timeout)) {
        result.read_bytes += outcome.stored_bytes;
        if (outcome.damage.empty()) {
          moved.push_back(outcome.pack);
        } else {
          result.damaged.emplace_back(outcome.pack, std::move(outcome.damage));
        }
        if (progress) progress(moved.size() + result.damaged.size(), result.read_bytes);
      }
    };
    for (const PlannedPack& pack : plan.repack) {
      if (stop.stop_requested()) break;
      pool.submit(pack, 1);
      collect(std::chrono::milliseconds{0});
    }
    while (pool.outstanding() > 0) collect(std::chrono::milliseconds{200});
    result.stopped = moved.size() + result.damaged.size() < plan.repack.size();
  }
  session.checkpoint();
  result.written_bytes = session.counters().stored_bytes;
  result.moved = std::move(moved);
  return result;
}

}  // namespace vgerfs::repo
