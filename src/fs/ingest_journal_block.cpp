#include "fs/ingest_journal_block.h"

#include "repo/limits.h"

namespace vgerfs::fs {
namespace {

constexpr std::size_t kTargetBytes = std::size_t{1} << 20;
constexpr std::size_t kMaxChunks = 4096;
constexpr std::size_t kPlainBytes = kTargetBytes + repo::kMaxChunkBytes;

}  // namespace

JournalBlockWriter::JournalBlockWriter(repo::Repository& repository)
    : repository_(repository),
      data_key_(repository.keyring().make_data_key(*repository.options().random)),
      plain_pool_(kPlainBytes, 1),
      sealed_pool_(repo::max_sealed_block_bytes(kPlainBytes, kMaxChunks), 1) {}

void JournalBlockWriter::add(const ChunkId& id, ByteView bytes, const Emit& emit) {
  if (!block_.bytes) {
    block_.kind = repo::ChunkKind::data;
    block_.bytes = plain_pool_.take();
  }
  block_.chunks.push_back({id, static_cast<std::uint32_t>(bytes.size())});
  block_.bytes.append(bytes);
  chunks_.insert(id);
  if (block_.bytes.size() >= kTargetBytes || block_.chunks.size() == kMaxChunks) finish(emit);
}

void JournalBlockWriter::finish(const Emit& emit) {
  if (block_.chunks.empty()) return;
  const repo::BlockSealing sealing{repository_.keyring().envelope_keys(), data_key_.get(),
                                   repository_.cipher(), repository_.options().random};
  Buffer sealed = sealed_pool_.take();
  const repo::BlockEntry entry = repo::seal_block(block_, sealing, compressor_, scratch_, sealed);
  block_ = {};
  proto::JournalBlock out;
  out.set_sealed(sealed.data(), sealed.size());
  out.set_tag(entry.tag.data(), entry.tag.size());
  for (const repo::ChunkEntry& chunk : entry.chunks) {
    out.mutable_chunk_ids()->append(chunk.id.raw());
    out.add_chunk_bytes(chunk.plain_bytes);
  }
  emit(out);
}

void JournalBlockWriter::clear() {
  block_ = {};
  chunks_.clear();
}

}  // namespace vgerfs::fs
