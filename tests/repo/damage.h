// Ways to damage what a store in memory holds, and to write what a thief of an ingest key could.
#pragma once

#include <algorithm>

#include "base/buffer.h"
#include "base/bytes.h"
#include "repo/block.h"
#include "repo/repository.h"
#include "support/memory_backend.h"

namespace vgerfs::testing {

/// The largest object of a type: of packs one with file data.
inline format::ObjectName largest(const MemoryStore& store,
                                  format::ObjectType type = format::ObjectType::pack) {
  const auto names = store.names(type);
  return *std::max_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return store.find(a)->bytes->size() < store.find(b)->bytes->size();
  });
}
inline format::ObjectName smallest_pack(const MemoryStore& store) {
  const auto names = store.names(format::ObjectType::pack);
  return *std::min_element(names.begin(), names.end(), [&](const auto& a, const auto& b) {
    return store.find(a)->bytes->size() < store.find(b)->bytes->size();
  });
}

inline void flip(MemoryStore& store, const format::ObjectName& name, std::size_t at) {
  Bytes bytes = *store.find(name)->bytes;
  bytes.at(at) ^= std::byte{8};
  store.overwrite(name, std::move(bytes));
}

inline void cut(MemoryStore& store, const format::ObjectName& name, std::size_t bytes) {
  Bytes kept = *store.find(name)->bytes;
  kept.resize(bytes);
  store.overwrite(name, std::move(kept));
}

/// A sealed block of one chunk that claims the id of `claimed` and holds `held`.
inline repo::BlockEntry poisoned_block(repo::Repository& repository, ByteView claimed,
                                       ByteView held, Bytes& sealed,
                                       repo::ChunkKind kind = repo::ChunkKind::data) {
  const auto key = repository.keyring().make_data_key(*repository.options().random);
  BufferPool pool{std::size_t{4} << 20, 2};
  repo::PlainBlock block{.kind = kind, .chunks = {}, .bytes = pool.take()};
  block.chunks.push_back(
      {repository.keyring().chunk_id(kind, claimed), static_cast<std::uint32_t>(held.size())});
  block.bytes.append(held);
  repo::Compressor compressor{1};
  Bytes directory;
  Buffer out = pool.take();
  const repo::BlockSealing sealing{repository.keyring().envelope_keys(), key.get(),
                                   repository.cipher(), repository.options().random};
  repo::BlockEntry entry = repo::seal_block(block, sealing, compressor, directory, out);
  sealed.assign(out.view().begin(), out.view().end());
  return entry;
}

}  // namespace vgerfs::testing
