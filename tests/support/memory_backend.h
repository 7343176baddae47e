// Stores in memory: a plain one, and one that loses in a crash what was not synced.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "backends/backend.h"
#include "backends/store_services.h"
#include "base/bytes.h"
#include "base/clock.h"
#include "format/object_name.h"

namespace vgerfs::testing {

/// What several backends (clients) share: the visible, durable objects. Thread-safe.
class MemoryStore {
 public:
  struct Object {
    std::shared_ptr<const Bytes> bytes;
    std::optional<Timestamp> stored_at;
  };

  /// With a clock the store knows times, else it shows none. The clock must outlive the store.
  explicit MemoryStore(const Clock* clock = nullptr) : clock_(clock) {}

  const Clock* clock() const noexcept { return clock_; }
  /// From now on it makes packs of blocks of others when asked to, as vgerfs-server does.
  void offer_compaction() { compacts_ = true; }
  bool compacts() const noexcept { return compacts_; }
  std::optional<backends::CompactionAnswer> compact(const backends::CompactionPlan& plan);
  std::optional<Object> find(const format::ObjectName& name) const;
  /// False if other bytes have this name.
  bool put(const format::ObjectName& name, Object object);
  void erase(const format::ObjectName& name);
  /// All visible objects of a type, or of all types, ordered by name.
  std::vector<format::ObjectName> names(std::optional<format::ObjectType> type = {}) const;

  /// Puts other bytes in an object's place, as bad disks and bad people do.
  void overwrite(const format::ObjectName& name, Bytes bytes);
  /// All objects, to be put back later: yesterday's copy of the repository.
  std::map<format::ObjectName, Object> copy() const;
  void replace_all(std::map<format::ObjectName, Object> objects);

 private:
  const Clock* const clock_;
  std::atomic<bool> compacts_ = false;
  mutable std::mutex mutex_;
  std::map<format::ObjectName, Object> objects_;  // guarded by mutex_
};

/// One client of a store in memory. Its writes are its own until its barrier.
class MemoryBackend : public backends::Backend, private backends::StoreServices {
 public:
  /// With a store of its own.
  explicit MemoryBackend(const Clock* clock = nullptr)
      : MemoryBackend(std::make_shared<MemoryStore>(clock)) {}
  explicit MemoryBackend(std::shared_ptr<MemoryStore> store) : store_(std::move(store)) {}

  const std::shared_ptr<MemoryStore>& store() const noexcept { return store_; }

  void read(const format::ObjectName& name, std::uint64_t offset, MutableBytes out) override;
  void write(const format::ObjectName& name, ByteView bytes) override;
  void barrier() override;
  std::optional<backends::ObjectInfo> stat(const format::ObjectName& name) override;
  void list(format::ObjectType type,
            const std::function<void(const backends::ObjectInfo&)>& each) override;
  void remove(const format::ObjectName& name) override;
  backends::Capabilities capabilities() const override;
  backends::StoreServices* services() noexcept override {
    return store_->compacts() ? this : nullptr;
  }
  std::string location() const override { return "memory:"; }

 protected:
  using Objects = std::map<format::ObjectName, MemoryStore::Object>;
  /// The writes that no barrier has made visible yet; afterwards there are none.
  Objects take_pending();

 private:
  std::optional<backends::StoreHistory> history(
      const std::optional<format::ChainHead>& /*known*/) override {
    return std::nullopt;
  }
  std::optional<backends::CompactionAnswer> compact(const backends::CompactionPlan& plan) override {
    return store_->compact(plan);
  }
  std::optional<MemoryStore::Object> find(const format::ObjectName& name) const;

  const std::shared_ptr<MemoryStore> store_;
  mutable std::mutex mutex_;
  Objects pending_;  // guarded by mutex_
};

/// A machine whose power can fail. Use it again after the crash: it is then the machine after its
/// restart.
class ForgettingBackend final : public MemoryBackend {
 public:
  using MemoryBackend::MemoryBackend;

  /// Every write since the last barrier is gone.
  void crash();
  /// Of every write since the last barrier the seed decides whether it is gone or there, whole:
  /// what a cut during a barrier can leave. Returns how many survived.
  std::size_t crash(std::uint64_t seed);
};

}  // namespace vgerfs::testing
