// Blocks: chunks of one kind gathered, compressed and sealed (docs/FORMAT.md section 7).
#pragma once

#include <cstdint>
#include <vector>

#include "base/buffer.h"
#include "base/bytes.h"
#include "repo/chunk.h"
#include "repo/compression.h"
#include "repo/envelope.h"
#include "repo/index_record.h"
#include "repo/keyring.h"

namespace vgerfs::repo {

/// Chunks waiting to become a block: the plaintext and its directory.
struct PlainBlock {
  ChunkKind kind{};
  std::vector<ChunkEntry> chunks;  // in order, 1 … kMaxBlockChunks
  Buffer bytes;                    // their concatenation, at most kMaxBlockPlainBytes
};

struct BlockSealing {
  const EnvelopeKeys keys;
  const DataKey* data_key;
  crypto::Cipher cipher;
  crypto::Random* random;
};

/// Largest sealed size of a block with this plaintext and number of chunks.
std::size_t max_sealed_block_bytes(std::size_t plain_bytes, std::size_t chunks) noexcept;

/// Compresses (raw if that does not pay), seals, and appends the block to `out` (spare capacity ≥
/// max_sealed_block_bytes). Returns its entry with offset = old size of `out`; `chunks` is moved
/// from the block. `directory_scratch` is reused memory. `out` is unchanged if this throws.
BlockEntry seal_block(PlainBlock& block, const BlockSealing& sealing, Compressor& compressor,
                      Bytes& directory_scratch, Buffer& out);

/// Length of the plaintext of a block. Throws corrupt if it or a chunk's length is out of range.
std::size_t plain_bytes_of(const BlockEntry& entry);

/// The plaintext of a block whose directory is known from an index entry: checks the envelope, the
/// pinned tag, that the block's own directory says the same, and lengths. Chunks are not hashed.
/// Throws corrupt; unsupported, denied as the keyring and envelope do.
Bytes open_block(ByteView stored, const BlockEntry& entry, const Keyring& keyring);
/// The same into memory of the caller, exactly plain_bytes_of(entry). After an error it holds
/// nothing to be used.
void open_block(ByteView stored, const BlockEntry& entry, const Keyring& keyring,
                MutableBytes plain);

/// Directory of a block read without index (rebuild-index, check): entry with offset 0 and the tag
/// as stored. Only the directory is authenticated: open_block with this entry checks the data.
BlockEntry read_block_directory(ByteView stored, const Keyring& keyring);

/// Whether the bytes have this id.
[[nodiscard]] bool chunk_matches(const Keyring& keyring, ChunkKind kind, const ChunkId& id,
                                 ByteView bytes);

}  // namespace vgerfs::repo
