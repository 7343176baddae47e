#include "repo/index_record.h"

#include <algorithm>
#include <numeric>

#include "base/error.h"
#include "format/index.pb.h"
#include "repo/envelope.h"
#include "repo/limits.h"
#include "repo/message.h"
#include "repo/signed_object.h"

namespace vgerfs::repo {
namespace {

namespace proto = format::proto;

constexpr std::uint32_t kDomain = 1;
constexpr std::size_t kPackOverheadBytes = 32 + 16;  // header and trailer; 4 more for each block
constexpr std::size_t kDirectoryEntryBytes = 36;

[[noreturn]] void corrupt(std::string_view what) {
  throw Error{ErrorCode::corrupt, fmt::format("the index record {}", what)};
}

[[noreturn]] void unsupported(std::string_view what) {
  throw Error{ErrorCode::unsupported, fmt::format("the index record {}", what),
              "it was written by a newer program: update vgerfs"};
}

void check(bool condition, std::string_view what) {
  if (!condition) corrupt(what);
}

std::size_t size_of(int count) noexcept { return static_cast<std::size_t>(count); }

proto::PackEntry encode_pack(const PackDescription& pack) {
  proto::PackEntry entry;
  entry.set_pack_id(pack.id.raw());
  entry.set_stored_bytes(pack.stored_bytes);
  entry.set_pack_kind(static_cast<std::uint32_t>(pack.kind));
  std::size_t chunks = 0;
  for (const BlockEntry& block : pack.blocks) chunks += block.chunks.size();
  entry.mutable_block_bytes()->Reserve(static_cast<int>(pack.blocks.size()));
  entry.mutable_block_chunks()->Reserve(static_cast<int>(pack.blocks.size()));
  entry.mutable_chunk_bytes()->Reserve(static_cast<int>(chunks));
  std::string& tags = *entry.mutable_block_tags();
  std::string& kinds = *entry.mutable_block_chunk_kinds();
  std::string& ids = *entry.mutable_chunk_ids();
  tags.reserve(pack.blocks.size() * crypto::kAeadTagBytes);
  kinds.reserve(pack.blocks.size());
  ids.reserve(chunks * ChunkId::kSize);
  for (const BlockEntry& block : pack.blocks) {
    entry.add_block_bytes(block.stored_bytes);
    tags += text_of(block.tag);
    kinds += static_cast<char>(block.chunk_kind);
    entry.add_block_chunks(static_cast<std::uint32_t>(block.chunks.size()));
    for (const ChunkEntry& chunk : block.chunks) {
      ids += text_of(chunk.id.view());
      entry.add_chunk_bytes(chunk.plain_bytes);
    }
  }
  return entry;
}

PackKind pack_kind(std::uint32_t value) {
  switch (value) {
    case 1: return PackKind::data;
    case 2: return PackKind::metadata;
    default: corrupt("names a pack of an unknown kind");
  }
}

ChunkKind chunk_kind(char value) {
  switch (value) {
    case 1: return ChunkKind::data;
    case 2: return ChunkKind::tree;
    case 3: return ChunkKind::extents;
    case 4: return ChunkKind::blob;
    default: corrupt("names a block of an unknown chunk kind");
  }
}

std::size_t max_chunk_bytes(ChunkKind kind) noexcept {
  const bool is_node = kind == ChunkKind::tree || kind == ChunkKind::extents;
  return is_node ? kMaxNodeBytes : kMaxChunkBytes;
}

/// What FORMAT.md sections 7 and 8 say of one block, as far as an index entry tells.
void check_block(const BlockEntry& block, PackKind kind) {
  check(pack_kind_of(block.chunk_kind) == kind, "names a block that does not belong in its pack");
  std::size_t plain_bytes = 0;
  for (const ChunkEntry& chunk : block.chunks) {
    check(chunk.plain_bytes >= 1 && chunk.plain_bytes <= max_chunk_bytes(block.chunk_kind),
          "names a chunk of a length that is not allowed");
    plain_bytes += chunk.plain_bytes;
  }
  check(plain_bytes <= kMaxBlockPlainBytes, "names a block that is too large");
  const std::size_t directory_bytes = 4 + kDirectoryEntryBytes * block.chunks.size();
  check(block.stored_bytes >= sealed_size(EnvelopeKind::block, directory_bytes, 1) &&
            block.stored_bytes <=
                sealed_size(EnvelopeKind::block, directory_bytes, kMaxBlockDataBytes),
        "names a block of a stored length that is not allowed");
}

PackDescription decode_pack(const proto::PackEntry& entry) {
  PackDescription pack;
  pack.id = id_field<PackId>(entry.pack_id(), "a pack id");
  pack.kind = pack_kind(entry.pack_kind());
  pack.stored_bytes = entry.stored_bytes();
  check(pack.stored_bytes <= kMaxPackBytes, "names a pack that is too large");

  const std::size_t blocks = size_of(entry.block_bytes_size());
  const std::size_t chunks = size_of(entry.chunk_bytes_size());
  check(blocks >= 1 && blocks <= kMaxPackBlocks, "names a pack with no or too many blocks");
  check(entry.block_tags().size() == blocks * crypto::kAeadTagBytes &&
            entry.block_chunk_kinds().size() == blocks &&
            size_of(entry.block_chunks_size()) == blocks &&
            entry.chunk_ids().size() == chunks * ChunkId::kSize,
        "has columns of different lengths");

  ByteReader tags{bytes_of(entry.block_tags()), "an index record's tags"};
  ByteReader ids{bytes_of(entry.chunk_ids()), "an index record's chunk ids"};
  std::size_t next_chunk = 0;
  std::uint64_t offset = 32;
  pack.blocks.reserve(blocks);
  for (int i = 0; i < entry.block_bytes_size(); ++i) {
    BlockEntry& block = pack.blocks.emplace_back();
    check(offset + entry.block_bytes(i) <= pack.stored_bytes,
          "names blocks beyond the end of their pack");
    block.offset = static_cast<std::uint32_t>(offset);
    block.stored_bytes = entry.block_bytes(i);
    offset += block.stored_bytes;
    block.tag = tags.array<crypto::kAeadTagBytes>();
    block.chunk_kind = chunk_kind(entry.block_chunk_kinds()[size_of(i)]);
    const std::size_t count = entry.block_chunks(i);
    check(count >= 1 && count <= kMaxBlockChunks && count <= chunks - next_chunk,
          "names a block with a number of chunks that is not allowed");
    block.chunks.reserve(count);
    for (std::size_t k = 0; k < count; ++k) {
      block.chunks.push_back({ChunkId{ids.array<ChunkId::kSize>()},
                              entry.chunk_bytes(static_cast<int>(next_chunk + k))});
    }
    next_chunk += count;
    check_block(block, pack.kind);
  }
  check(next_chunk == chunks, "has columns of different lengths");
  check(kPackOverheadBytes - 32 + offset + 4 * blocks == pack.stored_bytes,
        "names a pack whose size is not that of its parts");
  return pack;
}

void decode_additions(const proto::IndexRecord& message, const Keyring& keyring,
                      IndexRecord& record) {
  for (const proto::Additions& additions : message.additions()) {
    std::vector<PackDescription>* packs = &record.packs;
    if (additions.has_author() &&
        additions.author().certificate() != message.author().certificate()) {
      if (record.author.role != Role::full) {
        record.ignored_claims = true;
        continue;
      }
      const Certificate author =
          verify_certificate(additions.author(), keyring.repository(), keyring.root_public_key());
      packs = &record.carried.emplace_back(CarriedAdditions{author, additions.author(), {}}).packs;
    }
    for (const proto::PackEntry& entry : additions.packs()) packs->push_back(decode_pack(entry));
  }
}

void encode_additions(const std::vector<PackDescription>& packs, proto::Additions& additions) {
  for (const PackDescription& pack : packs) *additions.add_packs() = encode_pack(pack);
}

}  // namespace

// Varints of 32 bits have at most 5 bytes, of 64 bits 10; the rest is ids, tags and field headers.
std::size_t record_weight(const BlockEntry& block) noexcept {
  constexpr std::size_t kBlockWeight = 5 + crypto::kAeadTagBytes + 1 + 5;
  constexpr std::size_t kChunkBytes = ChunkId::kSize + 5;
  return kBlockWeight + kChunkBytes * block.chunks.size();
}

std::size_t record_weight(const PackDescription& pack) noexcept {
  constexpr std::size_t kPackBytes = 32 + 10 + 5 + 80;
  return std::accumulate(
      pack.blocks.begin(), pack.blocks.end(), kPackBytes,
      [](std::size_t sum, const BlockEntry& block) { return sum + record_weight(block); });
}

Bytes seal_record(const IndexRecord& record, const Keyring& keyring, crypto::Cipher cipher,
                  crypto::Random& random) {
  VGERFS_CHECK(record.time.ns < kNsPerSecond);
  if ((record.facts.need_full_author() || !record.carried.empty()) &&
      keyring.role() != Role::full) {
    throw Error{ErrorCode::denied, "this key may only add to the repository",
                "use a key of role full"};
  }
  proto::IndexRecord message;
  *message.mutable_author() = keyring.signed_certificate();
  message.set_time_s(record.time.s);
  message.set_time_ns(record.time.ns);
  message.set_session(raw_string(record.session));
  message.set_domain(kDomain);
  set_id_fields(*message.mutable_after_records(), record.after_records);
  set_id_fields(*message.mutable_after_snapshots(), record.after_snapshots);
  if (!record.packs.empty()) encode_additions(record.packs, *message.add_additions());
  for (const CarriedAdditions& carried : record.carried) {
    proto::Additions& additions = *message.add_additions();
    *additions.mutable_author() = carried.certificate;
    encode_additions(carried.packs, additions);
  }
  encode_facts(record.facts, message);
  return seal_signed({.kind = EnvelopeKind::index_record, .cipher = cipher},
                     keyring.envelope_keys(), keyring.author(), random, encode_message(message));
}

IndexRecord open_record(ByteView stored, const Keyring& keyring) {
  const OpenedObject opened =
      open_signed(EnvelopeKind::index_record, stored, keyring.envelope_keys(), nullptr);
  proto::IndexRecord message;
  decode_message(message, opened.payload, "the index record");

  IndexRecord record;
  record.author =
      verify_certificate(message.author(), keyring.repository(), keyring.root_public_key());
  check_signature(opened, record.author.author);
  record.certificate = message.author();
  try {
    record.supported = check_features(message.features(), "the index record", record.author.role);
    if (message.domain() != kDomain) unsupported("is of an unknown deduplication domain");
  } catch (const Error& error) {
    // Whoever stole an ingest key must not lock everybody out with one record from the future.
    if (record.author.role == Role::full || error.code() != ErrorCode::unsupported) throw;
    throw Error{ErrorCode::corrupt,
                fmt::format("an ingest author's record does not count: {}", error.what())};
  }
  check(message.time_ns() < kNsPerSecond, "has a time that is not valid");
  record.time = {message.time_s(), message.time_ns()};
  record.session = array_field<sizeof(SessionId)>(message.session(), "the index record's session");
  record.after_records = id_fields<RecordId>(message.after_records(), "a record id");
  record.after_snapshots = id_fields<SnapshotId>(message.after_snapshots(), "a snapshot id");
  decode_additions(message, keyring, record);
  record.facts = decode_facts(message, record.author.role, keyring, record.ignored_claims);
  return record;
}

}  // namespace vgerfs::repo
