#include "repo/block.h"

#include <algorithm>
#include <cstring>

#include "base/error.h"
#include "repo/limits.h"

// Directory plaintext (docs/FORMAT.md section 7):
//
//   | count u32 | count × { chunk id (32), length u32 } |

namespace vgerfs::repo {
namespace {

constexpr std::size_t kDirectoryEntryBytes = ChunkId::kSize + 4;
/// Scratch memory that a thread keeps between blocks; larger blocks give theirs back.
constexpr std::size_t kKeptScratchBytes = std::size_t{2} << 20;

constexpr std::size_t directory_bytes_for(std::size_t chunks) noexcept {
  return 4 + chunks * kDirectoryEntryBytes;
}

/// Where compression is given up: below a saving of 1/32 it does not pay for decompressing.
constexpr std::size_t worthwhile_bytes(std::size_t plain_bytes) noexcept {
  return plain_bytes - plain_bytes / 32 - (plain_bytes < 32 ? 1 : 0);
}

Error corrupt(std::string_view what) { return Error{ErrorCode::corrupt, std::string{what}}; }

std::size_t max_chunk_bytes(ChunkKind kind) noexcept {
  return kind == ChunkKind::tree || kind == ChunkKind::extents ? kMaxNodeBytes : kMaxChunkBytes;
}

void encode_directory(const std::vector<ChunkEntry>& chunks, Bytes& out) {
  out.clear();
  out.reserve(directory_bytes_for(chunks.size()));
  ByteWriter writer{out};
  writer.u32(static_cast<std::uint32_t>(chunks.size()));
  for (const ChunkEntry& chunk : chunks) {
    writer.bytes(chunk.id.view());
    writer.u32(chunk.plain_bytes);
  }
}

/// `bytes` has the length of a directory, which the envelope's header has been checked for.
std::vector<ChunkEntry> decode_directory(ByteView bytes) {
  ByteReader in{bytes, "a block's directory"};
  const std::uint32_t count = in.u32();
  if (count == 0 || count > kMaxBlockChunks || bytes.size() != directory_bytes_for(count)) {
    throw corrupt("a block's directory has another length than its count says");
  }
  std::vector<ChunkEntry> chunks(count);
  for (ChunkEntry& chunk : chunks) {
    chunk.id = ChunkId{in.array<ChunkId::kSize>()};
    chunk.plain_bytes = in.u32();
  }
  return chunks;
}

bool same_chunks(const std::vector<ChunkEntry>& a, const std::vector<ChunkEntry>& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& x, const auto& y) {
    return x.id == y.id && x.plain_bytes == y.plain_bytes;
  });
}

/// An envelope whose header has been checked and whose key is known.
struct OpenedEnvelope {
  EnvelopeHeader header;
  EnvelopeOpener opener;
};

OpenedEnvelope open_envelope(ByteView stored, const Keyring& keyring) {
  const EnvelopeHeader header = parse_envelope_header(stored, EnvelopeKind::block);
  const auto data_key = keyring.open_data_key(header.data_key.value());
  return {header, EnvelopeOpener{header, stored, keyring.envelope_keys(), &data_key->key}};
}

/// Memory for sealed data that cannot be decrypted in its final place. One at a time in a thread.
class Scratch {
 public:
  explicit Scratch(std::size_t bytes) : bytes_(bytes) {
    if (memory().size() < bytes) memory().resize(bytes);
  }
  ~Scratch() {
    if (memory().size() > kKeptScratchBytes) Bytes{}.swap(memory());
  }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;

  MutableBytes view() noexcept { return MutableBytes{memory()}.first(bytes_); }

 private:
  static Bytes& memory() noexcept {
    thread_local Bytes bytes;
    return bytes;
  }
  std::size_t bytes_;
};

}  // namespace

std::size_t max_sealed_block_bytes(std::size_t plain_bytes, std::size_t chunks) noexcept {
  return sealed_size(EnvelopeKind::block, directory_bytes_for(chunks), plain_bytes);
}

BlockEntry seal_block(PlainBlock& block, const BlockSealing& sealing, Compressor& compressor,
                      Bytes& directory_scratch, Buffer& out) {
  const ByteView plain = block.bytes.view();
  const std::size_t offset = out.size();
  VGERFS_CHECK(!block.chunks.empty() && block.chunks.size() <= kMaxBlockChunks);
  VGERFS_CHECK(offset <= kMaxPackBytes && plain.size() <= kMaxBlockPlainBytes);
  VGERFS_CHECK(out.capacity() - offset >=
               max_sealed_block_bytes(plain.size(), block.chunks.size()));
  std::size_t sum = 0;
  for (const ChunkEntry& chunk : block.chunks) sum += chunk.plain_bytes;
  VGERFS_CHECK(sum == plain.size());

  encode_directory(block.chunks, directory_scratch);
  // The data is compressed where it will be encrypted: no copy but that of data which stays raw.
  const MutableBytes place =
      out.spare().subspan(data_offset(EnvelopeKind::block, directory_scratch.size()));
  const std::size_t frame_bytes =
      compressor.compress(plain, place.first(worthwhile_bytes(plain.size())));
  const Codec codec = frame_bytes > 0 ? Codec::zstd : Codec::raw;
  if (codec == Codec::raw) std::memcpy(place.data(), plain.data(), plain.size());
  const std::size_t data_bytes = codec == Codec::zstd ? frame_bytes : plain.size();

  const std::size_t stored_bytes =
      sealed_size(EnvelopeKind::block, directory_scratch.size(), data_bytes);
  const SealParameters parameters{.kind = EnvelopeKind::block,
                                  .cipher = sealing.cipher,
                                  .codec = codec,
                                  .chunk_kind = block.kind,
                                  .data_key = sealing.data_key};
  BlockEntry entry;
  entry.tag = seal_in_place(parameters, sealing.keys, *sealing.random, directory_scratch,
                            out.spare().first(stored_bytes));
  out.resize(offset + stored_bytes);
  entry.offset = static_cast<std::uint32_t>(offset);
  entry.stored_bytes = static_cast<std::uint32_t>(stored_bytes);
  entry.chunk_kind = block.kind;
  entry.chunks = std::move(block.chunks);
  block.chunks.clear();
  return entry;
}

std::size_t plain_bytes_of(const BlockEntry& entry) {
  if (entry.chunks.empty() || entry.chunks.size() > kMaxBlockChunks) {
    throw corrupt("a block's number of chunks is out of range");
  }
  const std::size_t longest = max_chunk_bytes(entry.chunk_kind);
  std::size_t sum = 0;
  for (const ChunkEntry& chunk : entry.chunks) {
    if (chunk.plain_bytes == 0 || chunk.plain_bytes > longest) {
      throw corrupt("a chunk's length is out of range");
    }
    sum += chunk.plain_bytes;
  }
  if (sum > kMaxBlockPlainBytes) throw corrupt("a block's chunks are too long together");
  return sum;
}

void open_block(ByteView stored, const BlockEntry& entry, const Keyring& keyring,
                MutableBytes plain) {
  VGERFS_CHECK(plain.size() == plain_bytes_of(entry));
  if (stored.size() != entry.stored_bytes)
    throw corrupt("a block is shorter than its index entry says");
  const auto [header, opener] = open_envelope(stored, keyring);
  if (header.chunk_kind != entry.chunk_kind ||
      header.directory_bytes != directory_bytes_for(entry.chunks.size()) ||
      !same_chunks(decode_directory(opener.directory()), entry.chunks)) {
    throw corrupt("a block's directory is not what its index entry says");
  }
  if (header.codec == Codec::raw && header.data_bytes < plain.size()) {
    throw corrupt("a block holds less than its directory says");
  }
  if (header.codec == Codec::raw && header.data_bytes == plain.size()) {
    opener.data(plain, &entry.tag);
    return;
  }
  Scratch scratch{header.data_bytes};
  const MutableBytes data = scratch.view();
  opener.data(data, &entry.tag);
  if (header.codec == Codec::zstd) {
    decompress(data, plain);
    return;
  }
  if (!is_zero(data.subspan(plain.size()))) throw corrupt("a block's padding is not zero");
  std::memcpy(plain.data(), data.data(), plain.size());
}

Bytes open_block(ByteView stored, const BlockEntry& entry, const Keyring& keyring) {
  Bytes plain(plain_bytes_of(entry));
  open_block(stored, entry, keyring, plain);
  return plain;
}

BlockEntry read_block_directory(ByteView stored, const Keyring& keyring) {
  const auto [header, opener] = open_envelope(stored, keyring);
  BlockEntry entry;
  entry.stored_bytes = static_cast<std::uint32_t>(stored.size());
  entry.chunk_kind = header.chunk_kind.value();
  entry.chunks = decode_directory(opener.directory());
  const std::size_t plain_bytes = plain_bytes_of(entry);
  if (header.codec == Codec::raw && header.data_bytes < plain_bytes) {
    throw corrupt("a block holds less than its directory says");
  }
  const ByteView tag = stored.last(entry.tag.size());
  std::copy(tag.begin(), tag.end(), entry.tag.begin());
  return entry;
}

bool chunk_matches(const Keyring& keyring, ChunkKind kind, const ChunkId& id, ByteView bytes) {
  return keyring.chunk_id(kind, bytes) == id;
}

}  // namespace vgerfs::repo
