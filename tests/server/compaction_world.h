// Packs of bytes that stand for sealed blocks, and plans over them.
#pragma once

#include <algorithm>
#include <cstdint>
#include <numeric>
#include <random>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "base/sha256.h"
#include "format/pack_layout.h"
#include "server/compaction.h"
#include "server/error_reply.h"
#include "store_world.h"

namespace vgerfs::server {

using nlohmann::json;

struct TestPack {
  Bytes bytes;
  std::vector<std::uint32_t> block_bytes;

  PackId id() const { return PackId{sha256(bytes)}; }
  std::uint64_t offset(std::size_t block) const {
    return std::accumulate(block_bytes.begin(),
                           block_bytes.begin() + static_cast<std::ptrdiff_t>(block),
                           std::uint64_t{format::kPackHeaderBytes});
  }
  ByteView block(std::size_t at) const {
    return ByteView{bytes}.subspan(offset(at), block_bytes[at]);
  }
};

inline Bytes test_header(std::uint8_t salt, format::PackKind kind = format::PackKind::data) {
  return format::pack_header(kind, Bytes(format::kPackRandomBytes, std::byte{salt}));
}

/// The header, then the blocks in this order.
inline TestPack pack_of(const Bytes& header, const std::vector<ByteView>& blocks) {
  TestPack pack{header, {}};
  for (const ByteView block : blocks) {
    append(pack.bytes, block);
    pack.block_bytes.push_back(static_cast<std::uint32_t>(block.size()));
  }
  append(pack.bytes, format::pack_tail(pack.block_bytes));
  return pack;
}

inline TestPack random_pack(std::uint8_t salt, const std::vector<std::uint32_t>& block_bytes,
                            format::PackKind kind = format::PackKind::data) {
  std::mt19937_64 random{salt};
  std::vector<Bytes> blocks;
  for (const std::uint32_t size : block_bytes) {
    Bytes& block = blocks.emplace_back(size);
    std::generate(block.begin(), block.end(), [&] { return static_cast<std::byte>(random()); });
  }
  return pack_of(test_header(salt, kind), {blocks.begin(), blocks.end()});
}

/// The blocks [first, first + count) of a pack, as a plan says it.
inline json run_of(const TestPack& pack, std::size_t first, std::size_t count = 1) {
  return json::array({pack.offset(first), pack.offset(first + count) - pack.offset(first)});
}

inline json source_of(const TestPack& pack, std::vector<json> runs) {
  return {{"pack", pack.id().hex()}, {"runs", std::move(runs)}};
}

inline json new_pack_of(const Bytes& header, std::vector<json> sources) {
  return {{"header", to_hex(header)}, {"sources", std::move(sources)}};
}

inline std::string plan_of(std::vector<json> packs, char operation = 'a') {
  return json{{"operation", std::string(32, operation)}, {"packs", std::move(packs)}}.dump();
}

inline Reply compact(StoreWorld& world, const Repository& repository, const std::string& text,
                     std::uint64_t max_pack_bytes = format::kMaxPackBytes) {
  const EventLog log{-1, LogFormat::json_lines, world.clock};
  Compactor compactor{
      {.store = *world.store, .ledger = *world.ledger, .log = log, .clock = world.clock}};
  return compactor.compact({.repository = repository,
                            .principal = world.principal,
                            .limits = world.limits,
                            .max_pack_bytes = max_pack_bytes},
                           text);
}

/// Empty if it is not there.
inline Bytes stored(StoreWorld& world, const Repository& repository, const PackId& id) {
  const auto object = world.store->open(repository, format::pack_name(id));
  if (!object) return {};
  Bytes bytes(object->bytes);
  read_at(object->fd->get(), bytes, 0, "a pack");
  return bytes;
}

}  // namespace vgerfs::server
