#include "repo/maintenance/salvage.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include "base/error.h"
#include "repo/block.h"
#include "repo/maintenance/pack_examination.h"
#include "repo/maintenance/stops_work.h"
#include "repo/session.h"

namespace vgerfs::repo {
namespace {

constexpr const char* kSource = "maintenance";

class Salvager {
 public:
  Salvager(Repository& repository, const std::set<PackId>& leaving, Session& session)
      : repository_(repository), leaving_(leaving), session_(session) {}

  /// Whether the pack is damaged.
  bool save_named(const PackId& id, const std::stop_token& stop) {
    bool damaged = false;
    for (const IndexedPack& entry : repository_.index().find_pack(id)) {
      const PackReading reading = examine_pack(repository_.backend(), repository_.keyring(),
                                               entry.description, entry.entry, stop, keep());
      if (reading.is_good() || reading.newer || reading.missing) return false;
      damaged = true;
    }
    return damaged;
  }

  void save_unnamed(const PackId& id, const std::stop_token& stop) {
    PackDescription found;
    examine_unnamed_pack(repository_.backend(), repository_.keyring(), id, stop, found, keep());
  }

  std::uint64_t saved_chunks() const noexcept { return saved_chunks_; }

 private:
  GoodBlock keep() {
    return [this](const BlockEntry& block, ByteView sealed) {
      std::optional<Bytes> plain;
      std::size_t offset = 0;
      for (const ChunkEntry& chunk : block.chunks) {
        if (!has_good_copy(block.chunk_kind, chunk.id)) {
          if (!plain) plain = open_block(sealed, block, repository_.keyring());
          const ByteView bytes = ByteView{*plain}.subspan(offset, chunk.plain_bytes);
          if (session_.put_again(block.chunk_kind, bytes).added) ++saved_chunks_;
        }
        offset += chunk.plain_bytes;
      }
    };
  }

  bool has_good_copy(ChunkKind kind, const ChunkId& id) {
    const std::vector<ChunkPlace> places = repository_.index().find(id);
    return std::any_of(places.begin(), places.end(), [&](const ChunkPlace& place) {
      return place.block->chunk_kind == kind && place.trusted && !place.condemned &&
             !leaving_.contains(place.pack) && is_good(place);
    });
  }

  bool is_good(const ChunkPlace& place) {
    const auto [known, added] = looked_at_.try_emplace({place.pack, place.block->offset}, false);
    if (added) known->second = is_intact(repository_, place.pack, *place.block);
    return known->second;
  }

  Repository& repository_;
  const std::set<PackId>& leaving_;
  Session& session_;
  std::map<std::pair<PackId, std::uint32_t>, bool> looked_at_;  // blocks, and whether they are good
  std::uint64_t saved_chunks_ = 0;
};

}  // namespace

bool is_intact(Repository& repository, const PackId& pack, const BlockEntry& block) {
  try {
    Bytes stored(block.stored_bytes);
    repository.backend().read(format::pack_name(pack), block.offset, stored);
    const Bytes plain = open_block(stored, block, repository.keyring());
    std::size_t offset = 0;
    for (const ChunkEntry& chunk : block.chunks) {
      const ByteView bytes = ByteView{plain}.subspan(offset, chunk.plain_bytes);
      if (repository.keyring().chunk_id(block.chunk_kind, bytes) != chunk.id) return false;
      offset += chunk.plain_bytes;
    }
    return true;
  } catch (const Error& error) {
    if (stops_work(error.code())) throw;
    return false;
  }
}

Salvage salvage(Repository& repository, const ExclusiveLease& lease, const std::set<PackId>& packs,
                bool named, const std::stop_token& stop) {
  Salvage result;
  if (packs.empty()) return result;
  lease.require_held();
  SessionOptions options;
  options.host = repository.options().host;
  options.source = kSource;
  Session session{repository, options};
  Salvager salvager{repository, packs, session};
  for (const PackId& id : packs) {
    if (!named) {
      salvager.save_unnamed(id, stop);
    } else if (salvager.save_named(id, stop)) {
      result.given_up.push_back(id);
    }
  }
  session.checkpoint();
  result.saved_chunks = salvager.saved_chunks();
  result.saved_bytes = session.counters().added_bytes;
  return result;
}

}  // namespace vgerfs::repo
