#include "repo/chunk_writer.h"

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <set>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/buffer.h"
#include "base/byte_queue.h"
#include "base/thread.h"
#include "repo/block.h"
#include "repo/limits.h"
#include "repo/pack.h"

namespace vgerfs::repo {
namespace {

constexpr std::size_t kDataBlockBytes = std::size_t{1} << 20;
constexpr std::size_t kMetadataBlockBytes = std::size_t{256} << 10;
constexpr std::size_t kLoneChunkBytes = std::size_t{128} << 10;
constexpr std::size_t kSealQueueBytes = std::size_t{16} << 20;
constexpr unsigned kStorers = 2;
constexpr std::size_t kShards = 64;

std::size_t block_target(ChunkKind kind) noexcept {
  return kind == ChunkKind::data ? kDataBlockBytes : kMetadataBlockBytes;
}

/// A pack from its first block until it is stored.
struct Pack {
  explicit Pack(PackKind kind_in) : kind(kind_in) {}

  const PackKind kind;
  std::mutex mutex;  // leaf; guards all below
  Buffer bytes;      // empty once stored
  std::vector<BlockEntry> blocks;
  PackId id;
  bool stored = false;
};

/// A block from its first chunk until its record is applied. The plaintext goes when it is sealed.
struct PendingBlock {
  ChunkKind kind{};
  std::uint64_t number = 0;
  std::mutex mutex;  // taken before OpenPack::mutex and Pack::mutex; guards all below
  PlainBlock plain;  // while `pack` is null
  std::shared_ptr<Pack> pack;
  BlockEntry entry;  // once in a pack; its chunks stay in Pack::blocks until then
};

struct PendingChunk {
  std::shared_ptr<PendingBlock> block;
  std::uint32_t position = 0;
};

/// Numbers of things under way; `wait_below(n)` returns when all numbered below n are done.
class Outstanding {
 public:
  std::uint64_t begin() {
    const std::lock_guard lock{mutex_};
    open_.insert(next_);
    return next_++;
  }
  void end(std::uint64_t number) {
    {
      const std::lock_guard lock{mutex_};
      open_.erase(number);
    }
    changed_.notify_all();
  }
  std::uint64_t next() const {
    const std::lock_guard lock{mutex_};
    return next_;
  }
  template <class Stopped>
  void wait_below(std::uint64_t number, Stopped stopped) {
    std::unique_lock lock{mutex_};
    changed_.wait(lock, [&] { return stopped() || open_.empty() || *open_.begin() >= number; });
  }
  void wake() {
    // Taking the lock orders this against a waiter between its test and its sleep.
    { const std::lock_guard lock{mutex_}; }
    changed_.notify_all();
  }

 private:
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::set<std::uint64_t> open_;
  std::uint64_t next_ = 0;
};

}  // namespace

struct ChunkWriter::Impl {
  struct Shard {
    std::mutex mutex;  // leaf
    std::unordered_map<ChunkId, PendingChunk> chunks;
  };
  struct Builder {
    std::mutex mutex;  // taken before Shard::mutex and PendingBlock::mutex
    std::shared_ptr<PendingBlock> block;
  };
  struct OpenPack {
    std::mutex mutex;  // taken before Pack::mutex
    std::shared_ptr<Pack> pack;
  };
  struct StoreJob {
    std::shared_ptr<Pack> pack;
    std::uint64_t number = 0;
    std::optional<PackDescription> description;  // once the pack is finished
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
        pack_pool(options.pack_bytes + max_sealed_block_bytes(kMaxChunkBytes, 1), 6),
        store_queue(options.pack_bytes) {}

  PutResult put(ChunkKind kind, ByteView bytes, bool again);
  void append_to_builder(ChunkKind kind, const ChunkId& id, ByteView bytes);
  void submit(std::shared_ptr<PendingBlock> block);
  void seal_loop();
  /// With `block.mutex` held. Returns the pack that became full.
  std::optional<StoreJob> place_in_pack(PendingBlock& block, ByteView sealed, BlockEntry entry);
  void adopt(BlockEntry entry, ByteView sealed);
  void store_loop();
  void store(StoreJob& job);

  Shard& shard_of(const ChunkId& id) { return shards[id.prefix() % kShards]; }
  Builder& builder_of(ChunkKind kind) { return builders[static_cast<std::size_t>(kind) - 1]; }
  OpenPack& open_pack_of(PackKind kind) { return open_packs[static_cast<std::size_t>(kind) - 1]; }

  void fail(std::exception_ptr error) {
    {
      const std::lock_guard lock{mutex};
      if (!failure) failure = std::move(error);
    }
    failed = true;
    seal_queue.close();
    store_queue.close();
    blocks_under_way.wake();
    packs_under_way.wake();
  }
  void check_failure() {
    if (!failed) return;
    const std::lock_guard lock{mutex};
    std::rethrow_exception(failure);
  }
  /// A pack that the store refused waits in memory for the next flush; until then nothing more is
  /// taken in.
  void check_store_failure() {
    if (!store_failed) return;
    const std::lock_guard lock{mutex};
    if (store_failure) std::rethrow_exception(store_failure);
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
  BufferPool pack_pool;
  std::array<Shard, kShards> shards;
  std::array<Builder, 4> builders;
  std::array<OpenPack, 2> open_packs;
  ByteQueue<std::shared_ptr<PendingBlock>> seal_queue{kSealQueueBytes};
  ByteQueue<StoreJob> store_queue;
  Outstanding blocks_under_way;
  Outstanding packs_under_way;

  std::atomic<bool> failed = false;
  std::atomic<bool> store_failed = false;
  std::atomic<bool> has_adopted = false;
  mutable std::mutex mutex;          // leaf; guards all below
  std::exception_ptr failure;        // of the pipeline itself: final
  std::exception_ptr store_failure;  // of the store: the next flush tries again
  std::vector<StoreJob> unstored;
  SessionCounters counters;
  std::vector<PackDescription> finished;
  std::unordered_set<PackId> relied_packs;  // of others: known chunks were found there
  std::unordered_set<PackId> own_packs;     // settled ones too: this session can read them
  std::unordered_set<ChunkId> adopted;      // but not these in them

  std::vector<std::jthread> threads;  // last: they end first
};

PutResult ChunkWriter::Impl::put(ChunkKind kind, ByteView bytes, bool again) {
  VGERFS_CHECK(!bytes.empty() && bytes.size() <= kMaxChunkBytes);
  check_failure();
  check_store_failure();
  PutResult result{.id = keyring.chunk_id(kind, bytes), .added = false, .readable = false};
  Shard& shard = shard_of(result.id);
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
  {
    const std::lock_guard lock{shard.mutex};
    if (sealed_before && again) shard.chunks.erase(result.id);
    if (shard.chunks.contains(result.id)) {
      result.readable = !sealed_before;
      return count_known();
    }
  }
  const std::optional<PackId> known =
      again ? std::nullopt
            : index.find_usable(result.id, keyring.certificate().author, options.dedup);
  if (known) {
    {
      const std::lock_guard lock{mutex};
      relied_packs.insert(*known);
    }
    result.readable = keyring.role() == Role::full;
    if (!result.readable && !sealed_before) {
      const std::vector<ChunkPlace> places = index.find(result.id);
      const std::lock_guard lock{mutex};
      result.readable = std::any_of(places.begin(), places.end(), [&](const ChunkPlace& place) {
        return own_packs.contains(place.pack);
      });
    }
    return count_known();
  }
  {
    const std::lock_guard lock{shard.mutex};
    // An entry without block reserves the id: the bytes are on their way into a builder.
    if (!shard.chunks.try_emplace(result.id).second) {
      result.readable = true;
      return count_known();
    }
  }
  append_to_builder(kind, result.id, bytes);
  result.added = result.readable = true;
  const std::lock_guard lock{mutex};
  ++counters.added_chunks;
  counters.added_bytes += bytes.size();
  return result;
}

void ChunkWriter::Impl::append_to_builder(ChunkKind kind, const ChunkId& id, ByteView bytes) {
  const auto add = [&](const std::shared_ptr<PendingBlock>& block) {
    std::uint32_t position = 0;
    {
      const std::lock_guard lock{block->mutex};
      position = static_cast<std::uint32_t>(block->plain.chunks.size());
      block->plain.chunks.push_back({id, static_cast<std::uint32_t>(bytes.size())});
      block->plain.bytes.append(bytes);
    }
    Shard& shard = shard_of(id);
    const std::lock_guard lock{shard.mutex};
    shard.chunks[id] = {block, position};
  };
  const auto make_block = [&] {
    auto block = std::make_shared<PendingBlock>();
    block->kind = block->plain.kind = kind;
    block->plain.bytes =
        bytes.size() > block_pool.capacity() ? large_pool.take() : block_pool.take();
    return block;
  };
  if (bytes.size() >= kLoneChunkBytes) {
    auto block = make_block();
    add(block);
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
      full->number = blocks_under_way.begin();
    }
    if (!builder.block) builder.block = make_block();
    add(builder.block);
  }
  // Waiting for room happens outside the builder's lock, so that other kinds and threads go on.
  if (full && !seal_queue.push(full, full->plain.bytes.size())) check_failure();
}

void ChunkWriter::Impl::submit(std::shared_ptr<PendingBlock> block) {
  block->number = blocks_under_way.begin();
  const std::size_t weight = block->plain.bytes.size();
  if (!seal_queue.push(std::move(block), weight)) check_failure();
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
      std::optional<StoreJob> full;
      {
        // Readers of these pending chunks wait meanwhile: a block is sealed in a few milliseconds.
        const std::lock_guard lock{block.mutex};
        Buffer sealed = block.plain.bytes.size() > kDataBlockBytes ? large.take() : pool.take();
        BlockEntry entry = seal_block(block.plain, sealing, compressor, directory, sealed);
        full = place_in_pack(block, sealed.view(), std::move(entry));
      }
      if (full && !store_queue.push(std::move(*full), options.pack_bytes)) check_failure();
      blocks_under_way.end(block.number);
    }
  } catch (...) {
    fail(std::current_exception());
  }
}

std::optional<ChunkWriter::Impl::StoreJob> ChunkWriter::Impl::place_in_pack(PendingBlock& block,
                                                                            ByteView sealed,
                                                                            BlockEntry entry) {
  OpenPack& open = open_pack_of(pack_kind_of(block.kind));
  std::optional<StoreJob> full;
  const std::lock_guard lock{open.mutex};
  if (open.pack &&
      (open.pack->bytes.size() + sealed.size() + pack_tail_bytes(open.pack->blocks.size() + 1) >
           options.pack_bytes ||
       open.pack->blocks.size() >= kMaxPackBlocks)) {
    full = StoreJob{std::exchange(open.pack, nullptr), packs_under_way.begin(), std::nullopt};
  }
  if (!open.pack) {
    open.pack = std::make_shared<Pack>(pack_kind_of(block.kind));
    open.pack->bytes = pack_pool.take();
    begin_pack(open.pack->bytes, open.pack->kind, random);
  }
  const std::lock_guard pack_lock{open.pack->mutex};
  entry.offset = static_cast<std::uint32_t>(open.pack->bytes.size());
  open.pack->bytes.append(sealed);
  block.entry = entry;
  block.pack = open.pack;
  block.plain = {};
  open.pack->blocks.push_back(std::move(entry));
  return full;
}

void ChunkWriter::Impl::adopt(BlockEntry entry, ByteView sealed) {
  VGERFS_CHECK(entry.stored_bytes == sealed.size() && !entry.chunks.empty());
  check_failure();
  check_store_failure();
  const std::vector<ChunkEntry> chunks = entry.chunks;
  auto block = std::make_shared<PendingBlock>();
  block->kind = block->plain.kind = entry.chunk_kind;
  std::optional<StoreJob> full;
  {
    const std::lock_guard lock{block->mutex};
    full = place_in_pack(*block, sealed, std::move(entry));
  }
  for (std::uint32_t i = 0; i < chunks.size(); ++i) {
    Shard& shard = shard_of(chunks[i].id);
    const std::lock_guard lock{shard.mutex};
    shard.chunks.try_emplace(chunks[i].id, PendingChunk{block, i});
  }
  {
    const std::lock_guard lock{mutex};
    counters.added_chunks += chunks.size();
    for (const ChunkEntry& chunk : chunks) {
      counters.added_bytes += chunk.plain_bytes;
      adopted.insert(chunk.id);
    }
    has_adopted = true;
  }
  if (full && !store_queue.push(std::move(*full), options.pack_bytes)) check_failure();
}

void ChunkWriter::Impl::store_loop() {
  while (auto job = store_queue.pop()) {
    const std::uint64_t number = job->number;
    try {
      store(*job);
    } catch (...) {
      const std::lock_guard lock{mutex};
      if (!store_failure) store_failure = std::current_exception();
      store_failed = true;
      unstored.push_back(std::move(*job));
    }
    packs_under_way.end(number);
  }
}

void ChunkWriter::Impl::store(StoreJob& job) {
  Pack& pack = *job.pack;
  if (!job.description) {
    const std::lock_guard lock{pack.mutex};
    job.description = finish_pack(pack.bytes, pack.kind, std::move(pack.blocks));
  }
  // From here to `stored` others only read the buffer.
  backend.write(format::pack_name(job.description->id), pack.bytes.view());
  {
    const std::lock_guard lock{pack.mutex};
    pack.id = job.description->id;
    pack.stored = true;
    pack.bytes = Buffer{};
  }
  const std::lock_guard lock{mutex};
  counters.stored_bytes += job.description->stored_bytes;
  own_packs.insert(job.description->id);
  finished.push_back(std::move(*job.description));
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
  for (unsigned i = 0; i < kStorers; ++i) {
    impl_->threads.push_back(
        start_thread("vgerfs-store", [impl = impl_.get()] { impl->store_loop(); }));
  }
}

ChunkWriter::~ChunkWriter() {
  impl_->seal_queue.close();
  impl_->store_queue.close();
}

PutResult ChunkWriter::put(ChunkKind kind, ByteView bytes) {
  return impl_->put(kind, bytes, false);
}
PutResult ChunkWriter::put_again(ChunkKind kind, ByteView bytes) {
  return impl_->put(kind, bytes, true);
}

std::optional<ChunkView> ChunkWriter::find_pending(ChunkKind kind, const ChunkId& id) {
  PendingChunk found;
  {
    Impl::Shard& shard = impl_->shard_of(id);
    const std::lock_guard lock{shard.mutex};
    const auto at = shard.chunks.find(id);
    if (at == shard.chunks.end() || !at->second.block) return std::nullopt;
    found = at->second;
  }
  PendingBlock& block = *found.block;
  if (block.kind != kind) return std::nullopt;
  auto decoded = std::make_shared<DecodedBlock>();
  Bytes stored;
  std::optional<PackId> stored_in;
  {
    const std::lock_guard lock{block.mutex};
    if (!block.pack) {
      // Copies the one chunk: the builder goes on filling the block.
      std::uint32_t offset = 0;
      for (std::uint32_t i = 0; i < found.position; ++i)
        offset += block.plain.chunks[i].plain_bytes;
      const ChunkEntry& chunk = block.plain.chunks[found.position];
      const ByteView bytes = block.plain.bytes.view().subspan(offset, chunk.plain_bytes);
      decoded->entry.chunk_kind = kind;
      decoded->entry.chunks = {chunk};
      decoded->offsets = {0};
      decoded->plain.assign(bytes.begin(), bytes.end());
      return ChunkView{decoded, decoded->plain};
    }
    decoded->entry = block.entry;
    const std::lock_guard pack_lock{block.pack->mutex};
    stored.resize(block.entry.stored_bytes);
    if (block.pack->stored) {
      stored_in = block.pack->id;
    } else {
      const ByteView bytes =
          block.pack->bytes.view().subspan(block.entry.offset, block.entry.stored_bytes);
      std::copy(bytes.begin(), bytes.end(), stored.begin());
    }
  }
  if (stored_in) impl_->backend.read(format::pack_name(*stored_in), decoded->entry.offset, stored);
  decoded->plain = open_block(stored, decoded->entry, impl_->keyring);
  std::uint32_t offset = 0;
  for (const ChunkEntry& chunk : decoded->entry.chunks) {
    decoded->offsets.push_back(offset);
    offset += chunk.plain_bytes;
  }
  const std::uint32_t at = decoded->offsets[found.position];
  const std::uint32_t count = decoded->entry.chunks[found.position].plain_bytes;
  return ChunkView{decoded, ByteView{decoded->plain}.subspan(at, count)};
}

std::vector<PackDescription> ChunkWriter::flush() {
  Impl& impl = *impl_;
  const auto stopped = [&] { return impl.failed.load(); };
  std::vector<Impl::StoreJob> again;
  {
    const std::lock_guard lock{impl.mutex};
    again = std::exchange(impl.unstored, {});
    impl.store_failure = nullptr;
    impl.store_failed = false;
  }
  for (Impl::StoreJob& job : again) {
    job.number = impl.packs_under_way.begin();
    if (!impl.store_queue.push(std::move(job), impl.options.pack_bytes)) impl.check_failure();
  }
  for (Impl::Builder& builder : impl.builders) {
    std::shared_ptr<PendingBlock> block;
    {
      const std::lock_guard lock{builder.mutex};
      block = std::exchange(builder.block, nullptr);
      if (block) block->number = impl.blocks_under_way.begin();
    }
    if (block && !impl.seal_queue.push(block, block->plain.bytes.size())) impl.check_failure();
  }
  impl.blocks_under_way.wait_below(impl.blocks_under_way.next(), stopped);
  impl.check_failure();
  for (Impl::OpenPack& open : impl.open_packs) {
    std::shared_ptr<Pack> pack;
    std::uint64_t number = 0;
    {
      const std::lock_guard lock{open.mutex};
      pack = std::exchange(open.pack, nullptr);
      if (pack) number = impl.packs_under_way.begin();
    }
    if (pack && !impl.store_queue.push({pack, number, std::nullopt}, impl.options.pack_bytes))
      impl.check_failure();
  }
  impl.packs_under_way.wait_below(impl.packs_under_way.next(), stopped);
  impl.check_failure();
  impl.check_store_failure();
  const std::lock_guard lock{impl.mutex};
  return std::exchange(impl.finished, {});
}

void ChunkWriter::settle(const std::vector<PackDescription>& packs) {
  for (const PackDescription& pack : packs) {
    for (const BlockEntry& block : pack.blocks) {
      for (const ChunkEntry& chunk : block.chunks) {
        Impl::Shard& shard = impl_->shard_of(chunk.id);
        const std::lock_guard lock{shard.mutex};
        shard.chunks.erase(chunk.id);
      }
    }
  }
}

void ChunkWriter::adopt(BlockEntry entry, ByteView sealed) {
  impl_->adopt(std::move(entry), sealed);
}

bool ChunkWriter::blocked() const noexcept { return impl_->store_failed; }

bool ChunkWriter::failed() const noexcept { return impl_->failed; }

void ChunkWriter::abandon(std::exception_ptr reason) { impl_->fail(std::move(reason)); }

std::vector<PackId> ChunkWriter::relied_packs() const {
  const std::lock_guard lock{impl_->mutex};
  return {impl_->relied_packs.begin(), impl_->relied_packs.end()};
}

void ChunkWriter::rely_on(const PackId& pack) {
  const std::lock_guard lock{impl_->mutex};
  impl_->relied_packs.insert(pack);
}

SessionCounters ChunkWriter::counters() const {
  const std::lock_guard lock{impl_->mutex};
  return impl_->counters;
}

}  // namespace vgerfs::repo
