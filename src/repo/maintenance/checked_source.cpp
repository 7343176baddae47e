#include "repo/maintenance/checked_source.h"

#include <vector>

#include "base/error.h"
#include "repo/block.h"
#include "repo/maintenance/stops_work.h"

namespace vgerfs::repo {

std::optional<std::uint32_t> CheckedSource::plain_bytes(ChunkKind kind, const ChunkId& id) const {
  const ChunkTable::Found found = table_.find(id);
  switch (found.state) {
    case ChunkTable::State::unknown:
    case ChunkTable::State::bad: return std::nullopt;
    case ChunkTable::State::good:
      return found.kind == kind ? std::optional{found.plain_bytes} : std::nullopt;
    case ChunkTable::State::contradicted: break;
  }
  // As readers choose: the most trusted first.
  for (const ChunkPlace& place : index_.find(id)) {
    if (place.block->chunk_kind == kind && !bad_.contains(place)) {
      return place.block->chunks[place.position].plain_bytes;
    }
  }
  return std::nullopt;
}

void CheckedSource::fail(const ChunkId& id) {
  table_.turn_bad(id);
  const std::vector<ChunkPlace> places = index_.find(id);
  const std::lock_guard lock{mutex_};
  for (const ChunkPlace& place : places) failed_packs_.insert(place.pack);
}

Bytes CheckedSource::get(ChunkKind kind, const ChunkId& id) {
  if (!plain_bytes(kind, id)) {
    if (table_.find(id).state == ChunkTable::State::unknown) {
      throw Error{ErrorCode::not_found, fmt::format("no index record names chunk {}", id.hex())};
    }
    throw Error{ErrorCode::corrupt, fmt::format("no copy of chunk {} is good", id.short_hex())};
  }
  if (kind == ChunkKind::tree) ++nodes_;
  try {
    Bytes bytes = reader_.get(kind, id);
    if (chunk_matches(keyring_, kind, id, bytes)) return bytes;
  } catch (const Error& error) {
    if (stops_work(error.code())) throw;
    fail(id);
    throw;
  }
  fail(id);
  throw Error{ErrorCode::corrupt,
              fmt::format("chunk {} has other content than its name says", id.short_hex())};
}

}  // namespace vgerfs::repo
