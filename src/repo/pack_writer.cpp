#include "repo/pack_writer.h"

#include <utility>

#include "base/thread.h"
#include "repo/block.h"
#include "repo/index_record.h"
#include "repo/limits.h"
#include "repo/pack.h"

namespace vgerfs::repo {
namespace {

constexpr unsigned kStorers = 2;
constexpr std::size_t kIdlePackBuffers = 6;
/// Of a pack of tiny chunks: it must fit into a record, with others.
constexpr std::size_t kMaxPackWeight = std::size_t{4} << 20;

}  // namespace

PackWriter::PackWriter(backends::Backend& backend, crypto::Random& random, std::size_t pack_bytes)
    : backend_(backend),
      random_(random),
      pack_bytes_(pack_bytes),
      pool_(pack_bytes + max_sealed_block_bytes(kMaxChunkBytes, 1), kIdlePackBuffers),
      queue_(pack_bytes) {
  for (unsigned i = 0; i < kStorers; ++i) {
    threads_.push_back(
        start_thread("vgerfs-store", [this](const std::stop_token&) { store_loop(); }));
  }
}

std::optional<PackWriter::FullPack> PackWriter::append(PendingBlock& block, ByteView sealed,
                                                       BlockEntry entry) {
  const PackKind kind = pack_kind_of(block.kind);
  OpenPack& open = open_packs_[static_cast<std::size_t>(kind) - 1];
  std::optional<FullPack> full;
  const std::lock_guard lock{open.mutex};
  const std::size_t weight = record_weight(entry);
  if (open.pack &&
      (open.weight + weight > kMaxPackWeight ||
       open.pack->bytes.size() + sealed.size() + pack_tail_bytes(open.pack->blocks.size() + 1) >
           pack_bytes_ ||
       open.pack->blocks.size() >= kMaxPackBlocks)) {
    full = close_pack(open);
  }
  if (!open.pack) {
    open.pack = std::make_shared<PendingPack>(kind);
    open.pack->bytes = pool_.take();
    open.weight = 0;
    begin_pack(open.pack->bytes, kind, random_);
  }
  const std::lock_guard pack_lock{open.pack->mutex};
  entry.offset = static_cast<std::uint32_t>(open.pack->bytes.size());
  open.pack->bytes.append(sealed);
  block.entry = entry;
  block.pack = open.pack;
  block.plain = {};
  open.pack->blocks.push_back(std::move(entry));
  open.weight += weight;
  return full;
}

PackWriter::FullPack PackWriter::close_pack(OpenPack& open) {
  return {std::exchange(open.pack, nullptr), under_way_.begin(), std::nullopt};
}

bool PackWriter::store(FullPack pack) { return queue_.push(std::move(pack), pack_bytes_); }

void PackWriter::store_loop() {
  while (auto full = queue_.pop()) {
    const std::uint64_t number = full->number;
    try {
      store_now(*full);
    } catch (...) {
      const std::lock_guard lock{mutex_};
      if (!refusal_) refusal_ = std::current_exception();
      is_blocked_ = true;
      refused_.push_back(std::move(*full));
    }
    under_way_.end(number);
  }
}

void PackWriter::store_now(FullPack& full) {
  PendingPack& pack = *full.pack;
  if (!full.description) {
    const std::lock_guard lock{pack.mutex};
    full.description = finish_pack(pack.bytes, pack.kind, std::move(pack.blocks));
  }
  // From here to `stored` others only read the buffer.
  backend_.write(format::pack_name(full.description->id), pack.bytes.view());
  {
    const std::lock_guard lock{pack.mutex};
    pack.id = full.description->id;
    pack.stored = true;
    pack.bytes = Buffer{};
  }
  const std::lock_guard lock{mutex_};
  stored_bytes_ += full.description->stored_bytes;
  stored_ids_.insert(full.description->id);
  stored_.push_back(std::move(*full.description));
}

void PackWriter::retry() {
  std::vector<FullPack> again;
  {
    const std::lock_guard lock{mutex_};
    again = std::exchange(refused_, {});
    refusal_ = nullptr;
    is_blocked_ = false;
  }
  for (FullPack& full : again) {
    full.number = under_way_.begin();
    store(std::move(full));
  }
}

void PackWriter::flush() {
  for (OpenPack& open : open_packs_) {
    std::optional<FullPack> last;
    {
      const std::lock_guard lock{open.mutex};
      if (open.pack) last = close_pack(open);
    }
    if (last) store(std::move(*last));
  }
  under_way_.wait_below(under_way_.next(), [this] { return closed_.load(); });
}

std::vector<PackDescription> PackWriter::take_stored() {
  const std::lock_guard lock{mutex_};
  return std::exchange(stored_, {});
}

void PackWriter::check_refusal() const {
  if (!is_blocked_) return;
  const std::lock_guard lock{mutex_};
  if (refusal_) std::rethrow_exception(refusal_);
}

bool PackWriter::has_stored(const PackId& id) const {
  const std::lock_guard lock{mutex_};
  return stored_ids_.contains(id);
}

std::uint64_t PackWriter::stored_bytes() const {
  const std::lock_guard lock{mutex_};
  return stored_bytes_;
}

void PackWriter::close() {
  closed_ = true;
  queue_.close();
  under_way_.wake();
}

}  // namespace vgerfs::repo
