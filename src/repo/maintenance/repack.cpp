#include "repo/maintenance/repack.h"

#include <algorithm>
#include <memory>
#include <set>

#include "base/error.h"
#include "repo/block.h"
#include "repo/maintenance/stops_work.h"
#include "repo/maintenance/store_moves.h"
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

/// The copy of a block that was read last: neighbours mostly have theirs in one.
struct KeptBlock {
  PackId pack;
  EntryDigest entry{};
  std::shared_ptr<const BlockEntry> block;  // null: none was read
  Bytes plain;                              // empty: it is damaged
};

class Mover {
 public:
  Mover(Repository& repository, const Marks& marks, const StoredPacks& stored,
        const std::set<PackId>& leaving, const StoreMoves& store_moves, Session& session)
      : repository_(repository),
        marks_(marks),
        stored_(stored),
        leaving_(leaving),
        store_moves_(store_moves),
        session_(session) {}

  Outcome move(const PlannedPack& planned, const std::stop_token& stop) const {
    Outcome outcome{planned.id, planned.stored_bytes, {}};
    KeptBlock last;
    try {
      for (const IndexedPack& pack : repository_.index().find_pack(planned.id)) {
        for (const BlockEntry& block : pack.description.blocks) {
          throw_if_stopped(stop);
          if (store_moves_.contains(planned.id, block.offset)) continue;
          move_block(planned, block, last);
        }
      }
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) throw;
      outcome.damage = error.what();
    }
    return outcome;
  }

 private:
  void move_block(const PlannedPack& from, const BlockEntry& block, KeptBlock& last) const {
    std::optional<Bytes> plain;
    std::size_t offset = 0;
    for (const ChunkEntry& chunk : block.chunks) {
      if (marks_.contains(chunk.id) && !is_kept_elsewhere(from, chunk.id, last)) {
        if (!plain) plain = read(from.id, block);
        move_chunk(
            block.chunk_kind, chunk,
            plain->empty() ? ByteView{} : ByteView{*plain}.subspan(offset, chunk.plain_bytes));
      }
      offset += chunk.plain_bytes;
    }
  }

  /// `bytes`: what the block says; empty if it cannot be read.
  void move_chunk(ChunkKind kind, const ChunkEntry& chunk, ByteView bytes) const {
    // Naming it is the check: content that belies its name is stored as what it is, and is dead.
    if (!bytes.empty() && session_.put_again(kind, bytes).id == chunk.id) return;
    const ChunkView another = repository_.reader().view(kind, chunk.id);
    if (!chunk_matches(repository_.keyring(), kind, chunk.id, another.bytes)) {
      throw Error{ErrorCode::corrupt, fmt::format("chunk {} has other content than its name says",
                                                  chunk.id.short_hex())};
    }
    session_.put_again(kind, another.bytes);
  }

  /// A copy is dropped only in favour of one that was hashed.
  bool is_kept_elsewhere(const PlannedPack& from, const ChunkId& id, KeptBlock& last) const {
    if (!from.has_copies) return false;
    const std::optional<ChunkPlace> keeper = keeper_of(repository_.index(), stored_, id);
    if (!keeper || keeper->pack == from.id || leaving_.contains(keeper->pack)) return false;
    const BlockEntry& block = *keeper->block;
    if (!last.block || last.pack != keeper->pack || last.entry != keeper->entry ||
        last.block->offset != block.offset) {
      last = {keeper->pack, keeper->entry, keeper->block, read(keeper->pack, block)};
    }
    if (last.plain.empty()) return false;
    const ChunkEntry& chunk = block.chunks[keeper->position];
    return chunk_matches(repository_.keyring(), block.chunk_kind, chunk.id,
                         ByteView{last.plain}.subspan(keeper->offset, chunk.plain_bytes));
  }

  /// A block's chunks, or nothing if it is damaged.
  Bytes read(const PackId& pack, const BlockEntry& block) const {
    try {
      Bytes stored(block.stored_bytes);
      repository_.backend().read(format::pack_name(pack), block.offset, stored);
      return open_block(stored, block, repository_.keyring());
    } catch (const Error& error) {
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::not_found) throw;
      return {};
    }
  }

  Repository& repository_;
  const Marks& marks_;
  const StoredPacks& stored_;
  const std::set<PackId>& leaving_;
  const StoreMoves& store_moves_;
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
  const StoreMoves store_moves = move_in_store(
      repository, lease, marks, plan, options,
      [&](std::uint64_t, std::uint64_t bytes) {
        if (progress) progress(0, bytes);
      },
      stop);
  const Mover mover{repository, marks, plan.stored, leaving, store_moves, session};
  std::vector<PackId> moved;
  for (const PlannedPack& pack : plan.repack) {
    if (!store_moves.is_done(pack.id)) continue;
    moved.push_back(pack.id);
    result.read_bytes += pack.stored_bytes;
  }
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
      if (store_moves.is_done(pack.id)) continue;
      pool.submit(pack, 1);
      collect(std::chrono::milliseconds{0});
    }
    while (pool.outstanding() > 0) collect(std::chrono::milliseconds{200});
    result.stopped = moved.size() + result.damaged.size() < plan.repack.size();
  }
  session.checkpoint();
  result.written_bytes = session.counters().stored_bytes;
  result.store_moved_bytes = store_moves.written_bytes();
  result.moved = std::move(moved);
  return result;
}

}  // namespace vgerfs::repo
