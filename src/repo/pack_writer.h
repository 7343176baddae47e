// Gathers sealed blocks into packs, one open per kind, and stores those that are full on threads of
// its own.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <unordered_set>
#include <vector>

#include "backends/backend.h"
#include "base/buffer.h"
#include "base/byte_queue.h"
#include "crypto/random.h"
#include "repo/outstanding.h"
#include "repo/pending_block.h"

namespace vgerfs::repo {

/// A pack that the store refused waits in memory until it is tried again. Thread-safe.
class PackWriter {
 public:
  /// References must outlive it.
  PackWriter(backends::Backend& backend, crypto::Random& random, std::size_t pack_bytes);
  /// Stops the threads; what is not stored is lost.
  ~PackWriter() { close(); }
  PackWriter(const PackWriter&) = delete;
  PackWriter& operator=(const PackWriter&) = delete;

  /// A pack that takes no more blocks.
  struct FullPack {
    std::shared_ptr<PendingPack> pack;
    std::uint64_t number = 0;
    std::optional<PackDescription> description;  // once the pack is finished
  };
  /// Copies a sealed block into a pack and notes that in `block`, whose mutex the caller holds. If
  /// another pack became full by it, the caller lets go of the mutex and hands that to `store`.
  std::optional<FullPack> append(PendingBlock& block, ByteView sealed, BlockEntry entry);
  /// May wait for those before it. False after `close`: the pack is dropped.
  bool store(FullPack pack);

  /// Hands what the store refused to it once more.
  void retry();
  /// Hands the open packs to the store and waits for all packs handed over before, or for `close`.
  void flush();
  /// The packs stored since the last call.
  std::vector<PackDescription> take_stored();

  bool is_blocked() const noexcept { return is_blocked_; }
  /// Throws what the store refused a pack with, until a `retry`.
  void check_refusal() const;

  bool has_stored(const PackId& id) const;
  std::uint64_t stored_bytes() const;
  /// Nothing is taken any more; nobody waits any more.
  void close();

 private:
  struct OpenPack {
    std::mutex mutex;  // taken before PendingPack::mutex
    std::shared_ptr<PendingPack> pack;
    std::size_t weight = 0;  // of its blocks in a record
  };

  void store_loop();
  void store_now(FullPack& full);
  FullPack close_pack(OpenPack& open);

  backends::Backend& backend_;
  crypto::Random& random_;
  const std::size_t pack_bytes_;
  BufferPool pool_;
  std::array<OpenPack, 2> open_packs_;
  ByteQueue<FullPack> queue_;
  Outstanding under_way_;
  std::atomic<bool> closed_ = false;
  std::atomic<bool> is_blocked_ = false;

  mutable std::mutex mutex_;  // leaf; guards all below
  std::exception_ptr refusal_;
  std::vector<FullPack> refused_;
  std::vector<PackDescription> stored_;
  std::unordered_set<PackId> stored_ids_;  // all of them
  std::uint64_t stored_bytes_ = 0;

  std::vector<std::jthread> threads_;  // last: they end first
};

}  // namespace vgerfs::repo
