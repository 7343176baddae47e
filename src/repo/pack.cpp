#include "repo/pack.h"

#include "base/error.h"
#include "base/sha256.h"
#include "repo/envelope.h"
#include "repo/limits.h"

namespace vgerfs::repo {

static_assert(kMinBlockBytes ==
              kDataEnvelopeHeaderBytes + (4 + 36) + 1 + 2 * crypto::kAeadTagBytes);

void begin_pack(Buffer& buffer, PackKind kind, crypto::Random& random) {
  VGERFS_CHECK(buffer.empty());
  buffer.append(format::pack_header(kind, crypto::random_array<format::kPackRandomBytes>(random)));
}

PackDescription finish_pack(Buffer& buffer, PackKind kind, std::vector<BlockEntry> blocks) {
  VGERFS_CHECK(!blocks.empty() && blocks.size() <= kMaxPackBlocks);
  VGERFS_CHECK(buffer.size() + pack_tail_bytes(blocks.size()) <= kMaxPackBytes);
  std::vector<std::uint32_t> block_bytes;
  block_bytes.reserve(blocks.size());
  std::size_t end = kPackHeaderBytes;
  for (const BlockEntry& block : blocks) {
    VGERFS_CHECK(block.offset == end && pack_kind_of(block.chunk_kind) == kind);
    end += block.stored_bytes;
    block_bytes.push_back(block.stored_bytes);
  }
  VGERFS_CHECK(end == buffer.size());
  buffer.append(format::pack_tail(block_bytes));
  return {PackId{sha256(buffer.view())}, kind, buffer.size(), std::move(blocks)};
}

}  // namespace vgerfs::repo
