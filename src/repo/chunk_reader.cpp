#include "repo/chunk_reader.h"

#include <condition_variable>
#include <deque>
#include <list>
#include <map>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_map>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "base/thread.h"
#include "repo/block.h"
#include "repo/limits.h"

namespace vgerfs::repo {
namespace {

/// A block by its place, as an entry describes it: packs are immutable, so this names its content.
/// An author can describe another's pack wrongly.
struct BlockKey {
  PackId pack;
  std::uint32_t offset = 0;
  EntryDigest entry{};
  friend bool operator==(const BlockKey&, const BlockKey&) = default;
};

struct BlockKeyHash {
  std::size_t operator()(const BlockKey& key) const noexcept {
    return key.pack.prefix() ^ key.offset;
  }
};

using BlockPointer = std::shared_ptr<const DecodedBlock>;

/// Decoded blocks and where their chunks are, least recently used dropped first.
class BlockCache {
 public:
  explicit BlockCache(std::size_t budget_bytes) : budget_bytes_(budget_bytes) {}

  std::optional<ChunkView> find(ChunkKind kind, const ChunkId& id) {
    const std::lock_guard lock{mutex_};
    const auto found = chunks_.find(id);
    if (found == chunks_.end()) return std::nullopt;
    const auto& [key, position] = found->second;
    const auto slot = blocks_.find(key);
    VGERFS_CHECK(slot != blocks_.end());
    const BlockPointer& block = slot->second->block;
    if (block->entry.chunk_kind != kind) return std::nullopt;
    order_.splice(order_.begin(), order_, slot->second);
    return view_of(block, position);
  }

  BlockPointer find_block(const BlockKey& key) {
    const std::lock_guard lock{mutex_};
    const auto slot = blocks_.find(key);
    return slot == blocks_.end() ? nullptr : slot->second->block;
  }

  void insert(const BlockKey& key, BlockPointer block) {
    const std::lock_guard lock{mutex_};
    if (blocks_.contains(key)) return;
    used_bytes_ += weight(*block);
    for (std::uint32_t i = 0; i < block->entry.chunks.size(); ++i) {
      if (block->wrong.empty() || !block->wrong[i])
        chunks_.insert_or_assign(block->entry.chunks[i].id, std::pair{key, i});
    }
    order_.push_front({key, std::move(block)});
    blocks_[key] = order_.begin();
    while (used_bytes_ > budget_bytes_ && order_.size() > 1) drop_last();
  }

  void clear() {
    const std::lock_guard lock{mutex_};
    while (!order_.empty()) drop_last();
  }

  static ChunkView view_of(const BlockPointer& block, std::uint32_t position) {
    return {block, ByteView{block->plain}.subspan(block->offsets[position],
                                                  block->entry.chunks[position].plain_bytes)};
  }

 private:
  struct Item {
    BlockKey key;
    BlockPointer block;
  };

  static std::size_t weight(const DecodedBlock& block) {
    return block.plain.size() + block.entry.chunks.size() * (sizeof(ChunkEntry) + 96) + 256;
  }

  void drop_last() {
    const Item& item = order_.back();
    used_bytes_ -= weight(*item.block);
    for (const ChunkEntry& chunk : item.block->entry.chunks) {
      const auto found = chunks_.find(chunk.id);
      if (found != chunks_.end() && found->second.first == item.key) chunks_.erase(found);
    }
    blocks_.erase(item.key);
    order_.pop_back();
  }

  const std::size_t budget_bytes_;
  std::mutex mutex_;  // leaf; guards all below
  std::size_t used_bytes_ = 0;
  std::list<Item> order_;  // most recently used first
  std::unordered_map<BlockKey, std::list<Item>::iterator, BlockKeyHash> blocks_;
  std::unordered_map<ChunkId, std::pair<BlockKey, std::uint32_t>> chunks_;
};

/// Lets the first caller for a key do the work and the others wait for its result.
class SingleFlight {
 public:
  template <class Work>
  BlockPointer run(const BlockKey& key, Work work) {
    for (;;) {
      std::shared_ptr<Flight> flight;
      {
        std::unique_lock lock{mutex_};
        const auto [found, first] = flights_.try_emplace(key, std::make_shared<Flight>());
        flight = found->second;
        if (!first) {
          landed_.wait(lock, [&] { return flight->done; });
          // Each its own: whom it passes on its way adds context to an error.
          if (flight->failure) throw Error{*flight->failure};
          if (flight->block) return flight->block;
          continue;  // no memory, say: that was the other's failure
        }
      }
      try {
        BlockPointer block = work();
        land(key, *flight, block, std::nullopt);
        return block;
      } catch (const Error& error) {
        land(key, *flight, nullptr, error);
        throw;
      } catch (...) {
        land(key, *flight, nullptr, std::nullopt);
        throw;
      }
    }
  }

 private:
  struct Flight {
    bool done = false;
    BlockPointer block;
    std::optional<Error> failure;
  };

  void land(const BlockKey& key, Flight& flight, BlockPointer block, std::optional<Error> failure) {
    {
      const std::lock_guard lock{mutex_};
      flight.block = std::move(block);
      flight.failure = std::move(failure);
      flight.done = true;
      flights_.erase(key);
    }
    landed_.notify_all();
  }

  std::mutex mutex_;
  std::condition_variable landed_;
  std::unordered_map<BlockKey, std::shared_ptr<Flight>, BlockKeyHash>
      flights_;  // guarded by mutex_
};

}  // namespace

struct ChunkReader::Impl {
  Impl(backends::Backend& backend_in, IndexCache& index_in, const Keyring& keyring_in,
       std::size_t cache_bytes)
      : backend(backend_in), index(index_in), keyring(keyring_in), cache(cache_bytes) {}

  BlockPointer load(const ChunkPlace& place);
  std::optional<ChunkView> pending_view(ChunkKind kind, const ChunkId& id);
  /// One look at all places. nullopt: the index knows none. Throws what the last place failed with.
  std::optional<ChunkView> try_places(ChunkKind kind, const ChunkId& id);
  void prefetch_loop(const std::stop_token& stop);

  backends::Backend& backend;
  IndexCache& index;
  const Keyring& keyring;
  BlockCache cache;
  SingleFlight flights;

  std::mutex mutex;  // leaf; guards all below
  std::function<void()> refresh;
  std::vector<PendingChunks*> pending;
  std::deque<std::pair<ChunkKind, ChunkId>> wanted;
  std::condition_variable_any wanted_changed;
  std::vector<std::jthread> prefetchers;  // last: they end first
};

BlockPointer ChunkReader::Impl::load(const ChunkPlace& place) {
  const BlockKey key{place.pack, place.block->offset, place.entry};
  if (BlockPointer block = cache.find_block(key)) return block;
  return flights.run(key, [&]() -> BlockPointer {
    const format::ObjectName name = format::pack_name(place.pack);
    try {
      Bytes stored(place.block->stored_bytes);
      backend.read(name, place.block->offset, stored);
      auto block = std::make_shared<DecodedBlock>();
      block->plain = open_block(stored, *place.block, keyring);
      block->entry = *place.block;
      block->offsets.reserve(block->entry.chunks.size());
      std::uint32_t offset = 0;
      for (std::size_t i = 0; i < block->entry.chunks.size(); ++i) {
        const ChunkEntry& chunk = block->entry.chunks[i];
        block->offsets.push_back(offset);
        // Blocks of ingest authors prove nothing by their tag (FORMAT.md section 9.3).
        if (!place.trusted &&
            !chunk_matches(keyring, block->entry.chunk_kind, chunk.id,
                           ByteView{block->plain}.subspan(offset, chunk.plain_bytes))) {
          block->wrong.resize(block->entry.chunks.size());
          block->wrong[i] = true;
        }
        offset += chunk.plain_bytes;
      }
      cache.insert(key, block);
      return block;
    } catch (Error& error) {
      error.add_context(name.path());
      throw;
    }
  });
}

std::optional<ChunkView> ChunkReader::Impl::pending_view(ChunkKind kind, const ChunkId& id) {
  std::vector<PendingChunks*> sessions;
  {
    const std::lock_guard lock{mutex};
    sessions = pending;
  }
  for (PendingChunks* session : sessions) {
    if (auto view = session->find_pending(kind, id)) return view;
  }
  return std::nullopt;
}

std::optional<ChunkView> ChunkReader::Impl::try_places(ChunkKind kind, const ChunkId& id) {
  std::exception_ptr failure;
  for (const ChunkPlace& place : index.find(id)) {
    if (place.block->chunk_kind != kind) continue;
    try {
      const BlockPointer block = load(place);
      if (block->wrong.empty() || !block->wrong[place.position])
        return BlockCache::view_of(block, place.position);
      throw Error{ErrorCode::corrupt,
                  fmt::format("{}: chunk {} has other content than its name says",
                              format::pack_name(place.pack).path(), id.short_hex())};
    } catch (const Error& error) {
      // A store that is away says nothing about this copy; a broken or unreadable copy leaves the
      // next one.
      if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted) throw;
      failure = std::current_exception();
    }
  }
  if (failure) std::rethrow_exception(failure);
  return std::nullopt;
}

void ChunkReader::Impl::prefetch_loop(const std::stop_token& stop) {
  for (;;) {
    std::pair<ChunkKind, ChunkId> next;
    {
      std::unique_lock lock{mutex};
      if (!wanted_changed.wait(lock, stop, [&] { return !wanted.empty(); })) return;
      next = wanted.front();
      wanted.pop_front();
    }
    try {
      if (!cache.find(next.first, next.second)) try_places(next.first, next.second);
    } catch (const std::exception& error) {
      // The read that needs the chunk meets the same failure and reports it.
      log::debug("prefetch: {}", error.what());
    }
  }
}

ChunkReader::ChunkReader(backends::Backend& backend, IndexCache& index, const Keyring& keyring,
                         std::size_t cache_bytes)
    : impl_(std::make_unique<Impl>(backend, index, keyring, cache_bytes)) {}

ChunkReader::~ChunkReader() = default;

ChunkView ChunkReader::view(ChunkKind kind, const ChunkId& id) {
  if (auto view = impl_->cache.find(kind, id)) return *view;
  if (auto view = impl_->pending_view(kind, id)) return *view;
  std::exception_ptr failure;
  try {
    if (auto view = impl_->try_places(kind, id)) return *view;
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found && error.code() != ErrorCode::corrupt) throw;
    failure = std::current_exception();
  }
  std::function<void()> refresh;
  {
    const std::lock_guard lock{impl_->mutex};
    refresh = impl_->refresh;
  }
  if (refresh) {
    refresh();
    try {
      if (auto view = impl_->try_places(kind, id)) return *view;
    } catch (const Error&) {
      failure = std::current_exception();
    }
    // A session may have handed the chunk from its pending set to the index in between.
    if (auto view = impl_->pending_view(kind, id)) return *view;
  }
  try {
    if (failure) std::rethrow_exception(failure);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::not_found) throw;
    throw Error{ErrorCode::corrupt, "the pack is missing: " + error.message()};
  }
  impl_->index.check_once();  // a damaged cache must not pass for a loss
  throw Error{ErrorCode::not_found, fmt::format("no index record names chunk {}", id.hex())};
}

Bytes ChunkReader::get(ChunkKind kind, const ChunkId& id) {
  const ChunkView found = view(kind, id);
  return {found.bytes.begin(), found.bytes.end()};
}

void ChunkReader::prefetch(ChunkKind kind, const ChunkId& id) {
  constexpr std::size_t kMaxWanted = 16;
  constexpr std::size_t kPrefetchers = 2;
  {
    const std::lock_guard lock{impl_->mutex};
    if (impl_->wanted.size() >= kMaxWanted) return;
    impl_->wanted.emplace_back(kind, id);
    while (impl_->prefetchers.size() < kPrefetchers) {
      impl_->prefetchers.push_back(start_thread(
          "vgerfs-prefetch",
          [impl = impl_.get()](const std::stop_token& stop) { impl->prefetch_loop(stop); }));
    }
  }
  impl_->wanted_changed.notify_one();
}

std::optional<std::uint32_t> ChunkReader::chunk_bytes(const ChunkId& id) {
  for (const ChunkPlace& place : impl_->index.find(id))
    return place.block->chunks[place.position].plain_bytes;
  return std::nullopt;
}

void ChunkReader::set_refresh(std::function<void()> refresh) {
  const std::lock_guard lock{impl_->mutex};
  impl_->refresh = std::move(refresh);
}

void ChunkReader::add_pending(PendingChunks* pending) {
  const std::lock_guard lock{impl_->mutex};
  impl_->pending.push_back(pending);
}

void ChunkReader::remove_pending(PendingChunks* pending) {
  const std::lock_guard lock{impl_->mutex};
  std::erase(impl_->pending, pending);
}

void ChunkReader::clear() { impl_->cache.clear(); }

}  // namespace vgerfs::repo
