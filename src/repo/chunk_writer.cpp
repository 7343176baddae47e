#include "repo/chunk_writer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <utility>

#include "base/buffer.h"
#include "base/byte_queue.h"
#include "base/thread.h"
#include "repo/block.h"
#include "repo/limits.h"
#include "repo/outstanding.h"
#include "repo/pack_writer.h"
#include "repo/pending_block.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kDataBlockBytes = std::size_t{1} << 20;
constexpr std::size_t kMetadataBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kLoneChunkBytes = std::size_t{128} << 10;
constexpr std::size_t kSealQueueBytes = std::size_t{16} << 20;

std::size_t block_target(ChunkKind kind) noexcept {
  return kind == ChunkKind::data ? kDataBlockBytes : kMetadataBlockBytes;
}

}  // namespace

struct ChunkWriter::Impl {
  struct Builder {
    std::mutex mutex;  // taken before PendingBlock::mutex
    std::shared_ptr<PendingBlock> block;
  };

  Impl(backends::Backend& backend_in, IndexCache& index_in, const Keyring& keyring_in,
       std::shared_ptr<const DataKey> data_key_in, crypto::Cipher cipher_in,
       crypto::Random& random_in, const ChunkWriterOptions& options_in)
      : backend(backend_in),
        index(index_in),
        keyring(keyring_in),
        data_key(std::move(data_key_in)),
        cipher(cipher_in),
        random(random_in),
        options(options_in),
        block_pool(std::max(kDataBlockBytes, kLoneChunkBytes), 64),
        large_pool(kMaxChunkBytes, 4),
        packs(backend, random, options.pack_bytes) {}

  PutResult put(ChunkKind kind, ByteView bytes, bool again);
  /// Whether this session can read a chunk that the index knows.
  bool is_readable(const ChunkId& id);
  void append_to_builder(ChunkKind kind, const ChunkId& id, ByteView bytes);
  std::shared_ptr<PendingBlock> make_block(ChunkKind kind, std::size_t bytes);
  void add_chunk(const std::shared_ptr<PendingBlock>& block, const ChunkId& id, ByteView bytes);
  void submit(std::shared_ptr<PendingBlock> block);
  void flush_builders();
  void seal_loop();
  void adopt(BlockEntry entry, ByteView sealed);

  void rely_on(const PackId& pack) {
    const std::lock_guard lock{mutex};
    relied_packs.insert(pack);
  }
  Builder& builder_of(ChunkKind kind) { return builders[static_cast<std::size_t>(kind) - 1]; }

  void close() {
    seal_queue.close();
    packs.close();
  }
  void fail(std::exception_ptr error) {
    {
      const std::lock_guard lock{mutex};
      if (!failure) failure = std::move(error);
    }
    failed = true;
    close();
    under_way.wake();
  }
  void check_failure() const {
    if (!failed) return;
    const std::lock_guard lock{mutex};
    std::rethrow_exception(failure);
  }

  backends::Backend& backend;
  IndexCache& index;
  const Keyring& keyring;
  const std::shared_ptr<const DataKey> data_key;
  const crypto::Cipher cipher;
  crypto::Random& random;
  const ChunkWriterOptions options;

  BufferPool block_pool;
  BufferPool large_pool;
  PackWriter packs;
  PendingTable pending;
  std::array<Builder, 4> builders;
  ByteQueue<std::shared_ptr<PendingBlock>> seal_queue{kSealQueueBytes};
  Outstanding under_way;  // blocks until they are in a pack

  std::atomic<bool> failed = false;
  std::atomic<bool> has_adopted = false;
  mutable std::mutex mutex;    // leaf; guards all below
  std::exception_ptr failure;  // of the pipeline itself: final
  SessionCounters counters;
  std::unordered_set<PackId> relied_packs;  // of others: known chunks were found there
  std::unordered_set<ChunkId> adopted;      // this session cannot read these, though it stored them

  std::vector<std::jthread> threads;  // last: they end first
};

PutResult ChunkWriter::Impl::put(ChunkKind kind, ByteView bytes, bool again) {
  VGERFS_CHECK(!bytes.empty() && bytes.size() <= kMaxChunkBytes);
  check_failure();
  packs.check_refusal();
  PutResult result{.id = keyring.chunk_id(kind, bytes), .added = false, .readable = false};
  bool sealed_before = false;  // by a session whose data key is gone
  if (has_adopted && keyring.role() != Role::full) {
    const std::lock_guard lock{mutex};
    sealed_before = adopted.contains(result.id);
    if (sealed_before && again) adopted.erase(result.id);
  }
  const auto count_known = [&] {
    const std::lock_guard lock{mutex};
    ++counters.known_chunks;
    counters.known_bytes += bytes.size();
    return result;
  };
  if (sealed_before && again) {
    pending.erase(result.id);
  } else if (pending.contains(result.id)) {
    result.readable = !sealed_before;
    return count_known();
  }
  const std::optional<PackId> known =
      again ? std::nullopt
            : index.find_usable(result.id, keyring.certificate().author, options.dedup);
  if (known) {
    rely_on(*known);
    result.readable = keyring.role() == Role::full || (!sealed_before && is_readable(result.id));
    return count_known();
  }
  if (!pending.reserve(result.id)) {
    result.readable = true;
    return count_known();
  }
  append_to_builder(kind, result.id, bytes);
  result.added = result.readable = true;
  const std::lock_guard lock{mutex};
  ++counters.added_chunks;
  counters.added_bytes += bytes.size();
  return result;
}

bool ChunkWriter::Impl::is_readable(const ChunkId& id) {
  const std::vector<ChunkPlace> places = index.find(id);
  return std::any_of(places.begin(), places.end(),
                     [&](const ChunkPlace& place) { return packs.has_stored(place.pack); });
}

std::shared_ptr<PendingBlock> ChunkWriter::Impl::make_block(ChunkKind kind, std::size_t bytes) {
  auto block = std::make_shared<PendingBlock>();
  block->kind = block->plain.kind = kind;
  block->plain.bytes = bytes > block_pool.capacity() ? large_pool.take() : block_pool.take();
  return block;
}

void ChunkWriter::Impl::add_chunk(const std::shared_ptr<PendingBlock>& block, const ChunkId& id,
                                  ByteView bytes) {
  std::uint32_t position = 0;
  {
    const std::lock_guard lock{block->mutex};
    position = static_cast<std::uint32_t>(block->plain.chunks.size());
    block->plain.chunks.push_back({id, static_cast<std::uint32_t>(bytes.size())});
    block->plain.bytes.append(bytes);
  }
  pending.set(id, {block, position});
}

void ChunkWriter::Impl::append_to_builder(ChunkKind kind, const ChunkId& id, ByteView bytes) {
  if (bytes.size() >= kLoneChunkBytes) {
    auto block = make_block(kind, bytes.size());
    add_chunk(block, id, bytes);
    block->number = under_way.begin();
    submit(std::move(block));
    return;
  }
  std::shared_ptr<PendingBlock> full;
  {
    Builder& builder = builder_of(kind);
    const std::lock_guard lock{builder.mutex};
    if (builder.block && (builder.block->plain.bytes.size() + bytes.size() > block_target(kind) ||
                          builder.block->plain.chunks.size() >= kMaxBlockChunks)) {
      full = std::exchange(builder.block, nullptr);
      full->number = under_way.begin();
    }
    if (!builder.block) builder.block = make_block(kind, bytes.size());
    add_chunk(builder.block, id, bytes);
  }
  // Waiting for room happens outside the builder's lock, so that other kinds and threads go on.
  if (full) submit(std::move(full));
}

void ChunkWriter::Impl::submit(std::shared_ptr<PendingBlock> block) {
  const std::size_t weight = block->plain.bytes.size();
  if (!seal_queue.push(std::move(block), weight)) check_failure();
}

void ChunkWriter::Impl::flush_builders() {
  for (Builder& builder : builders) {
    std::shared_ptr<PendingBlock> block;
    {
      const std::lock_guard lock{builder.mutex};
      block = std::exchange(builder.block, nullptr);
      if (block) block->number = under_way.begin();
    }
    if (block) submit(std::move(block));
  }
  under_way.wait_below(under_way.next(), [this] { return failed.load(); });
}

void ChunkWriter::Impl::seal_loop() {
  try {
    Compressor compressor{options.compression_level};
    Bytes directory;
    BufferPool pool{max_sealed_block_bytes(kDataBlockBytes, kMaxBlockChunks), 1};
    BufferPool large{max_sealed_block_bytes(kMaxChunkBytes, 1), 1};
    const BlockSealing sealing{keyring.envelope_keys(), data_key.get(), cipher, &random};
    while (auto next = seal_queue.pop()) {
      PendingBlock& block = **next;
      std::optional<PackWriter::FullPack> full;
      {
        // Readers of these pending chunks wait meanwhile: a block is sealed in a few milliseconds.
        const std::lock_guard lock{block.mutex};
        Buffer sealed = block.plain.bytes.size() > kDataBlockBytes ? large.take() : pool.take();
        BlockEntry entry = seal_block(block.plain, sealing, compressor, directory, sealed);
        full = packs.append(block, sealed.view(), std::move(entry));
      }
      if (full && !packs.store(std::move(*full))) check_failure();
      under_way.end(block.number);
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

void ChunkWriter::Impl::adopt(BlockEntry entry, ByteView sealed) {
  VGERFS_CHECK(entry.stored_bytes == sealed.size() && !entry.chunks.empty());
  check_failure();
  packs.check_refusal();
  const std::vector<ChunkEntry> chunks = entry.chunks;
  auto block = std::make_shared<PendingBlock>();
  block->kind = block->plain.kind = entry.chunk_kind;
  std::optional<PackWriter::FullPack> full;
  {
    const std::lock_guard lock{block->mutex};
    full = packs.append(*block, sealed, std::move(entry));
  }
  for (std::uint32_t i = 0; i < chunks.size(); ++i) pending.add(chunks[i].id, {block, i});
  {
    const std::lock_guard lock{mutex};
    counters.added_chunks += chunks.size();
    for (const ChunkEntry& chunk : chunks) {
      counters.added_bytes += chunk.plain_bytes;
      adopted.insert(chunk.id);
    }
    has_adopted = true;
  }
  if (full && !packs.store(std::move(*full))) check_failure();
}

ChunkWriter::ChunkWriter(backends::Backend& backend, IndexCache& index, const Keyring& keyring,
                         std::shared_ptr<const DataKey> data_key, crypto::Cipher cipher,
                         crypto::Random& random, const ChunkWriterOptions& options)
    : impl_(std::make_unique<Impl>(backend, index, keyring, std::move(data_key), cipher, random,
                                   options)) {
  const unsigned sealers =
      options.threads != 0 ? options.threads : std::max(1U, std::thread::hardware_concurrency());
  for (unsigned i = 0; i < sealers; ++i) {
    impl_->threads.push_back(
        start_thread("vgerfs-seal", [impl = impl_.get()] { impl->seal_loop(); }));
  }
}

ChunkWriter::~ChunkWriter() { impl_->close(); }

PutResult ChunkWriter::put(ChunkKind kind, ByteView bytes) {
  return impl_->put(kind, bytes, false);
}
PutResult ChunkWriter::put_again(ChunkKind kind, ByteView bytes) {
  return impl_->put(kind, bytes, true);
}

std::optional<ChunkView> ChunkWriter::find_pending(ChunkKind kind, const ChunkId& id) {
  const std::optional<PendingChunk> found = impl_->pending.find(id);
  if (!found || found->block->kind != kind) return std::nullopt;
  return read_pending(*found, impl_->backend, impl_->keyring);
}

std::vector<PackDescription> ChunkWriter::flush() {
  Impl& impl = *impl_;
  impl.packs.retry();
  impl.flush_builders();
  impl.check_failure();
  impl.packs.flush();
  impl.check_failure();
  impl.packs.check_refusal();
  return impl.packs.take_stored();
}

std::uint64_t ChunkWriter::settle(const std::vector<PackDescription>& packs) {
  std::uint64_t chunks = 0;
  for (const PackDescription& pack : packs) {
    for (const BlockEntry& block : pack.blocks) {
      for (const ChunkEntry& chunk : block.chunks) impl_->pending.erase(chunk.id);
      chunks += block.chunks.size();
    }
  }
  return chunks;
}

void ChunkWriter::adopt(BlockEntry entry, ByteView sealed) {
  impl_->adopt(std::move(entry), sealed);
}

bool ChunkWriter::blocked() const noexcept { return impl_->packs.is_blocked(); }

bool ChunkWriter::failed() const noexcept { return impl_->failed; }

void ChunkWriter::abandon(std::exception_ptr reason) { impl_->fail(std::move(reason)); }

std::vector<PackId> ChunkWriter::relied_packs() const {
  const std::lock_guard lock{impl_->mutex};
  return {impl_->relied_packs.begin(), impl_->relied_packs.end()};
}

void ChunkWriter::rely_on(const PackId& pack) { impl_->rely_on(pack); }

SessionCounters ChunkWriter::counters() const {
  const std::uint64_t stored_bytes = impl_->packs.stored_bytes();
  const std::lock_guard lock{impl_->mutex};
  SessionCounters counters = impl_->counters;
  counters.stored_bytes = stored_bytes;
  return counters;
}

}  // namespace vgerfs::repo
