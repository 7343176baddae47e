#include "backends/rest_backend.h"

#include <algorithm>
#include <cstring>
#include <map>
#include <mutex>
#include <utility>
#include <vector>

#include "backends/parallel.h"
#include "backends/rest_compaction.h"
#include "backends/rest_health.h"
#include "backends/rest_lease.h"
#include "backends/rest_lists.h"
#include "backends/rest_wire.h"
#include "backends/store_services.h"
#include "backends/turn.h"
#include "base/error.h"
#include "base/sha256.h"

namespace vgerfs::backends {
namespace {

using format::ObjectName;
using format::ObjectType;

/// What may refer to something comes after it. Packs do not wait.
constexpr ObjectType kPublishOrder[] = {ObjectType::lock, ObjectType::index, ObjectType::key,
                                        ObjectType::snapshot, ObjectType::config};

class RestBackend final : public Backend, public StoreServices, private FencedStore {
 public:
  RestBackend(RestLocation location, RemoteOptions options)
      : wire_(std::move(location), std::move(options)), lists_(wire_) {}

  RestWire& wire() noexcept { return wire_; }

  void read(const ObjectName& name, std::uint64_t offset, MutableBytes out) override;
  void write(const ObjectName& name, ByteView bytes) override { write_under({}, name, bytes); }
  void barrier() override { barrier_under({}); }
  std::optional<ObjectInfo> stat(const ObjectName& name) override;
  void list(ObjectType type, const std::function<void(const ObjectInfo&)>& each) override;
  void remove(const ObjectName& name) override { remove_under({}, name); }
  Capabilities capabilities() const override {
    return {.store_clock = wire_.shows_times(), .packs_at_once = true};
  }
  std::string location() const override { return wire_.location(); }
  StoreServices* services() noexcept override { return this; }

  std::optional<StoreHealth> health() override { return rest_health(wire_); }
  std::optional<StoreReading> read_again(std::uint64_t max_bytes) override {
    return rest_read_again(wire_, max_bytes);
  }
  std::optional<StoreHistory> history(const std::optional<format::ChainHead>& known) override {
    return lists_.history(known);
  }
  std::optional<CompactionAnswer> compact(const CompactionPlan& plan) override {
    return rest_compact(wire_, plan);
  }

 private:
  std::unique_ptr<StoreLease> acquire_lease(const WantedLease& wanted) override {
    return acquire_rest_lease(wire_, *this, wanted);
  }
  std::optional<std::vector<ListedStoreLease>> leases() override { return list_rest_leases(wire_); }
  Backend& whole() noexcept override { return *this; }
  void write_under(const FencePtr& fence, const ObjectName& name, ByteView bytes) override;
  void barrier_under(const FencePtr& fence) override;
  void remove_under(const FencePtr& fence, const ObjectName& name) override;

  struct Pending {
    Bytes bytes;
    Timestamp written_at;
    FencePtr fence;
  };
  using PendingPtr = std::shared_ptr<const Pending>;
  using Item = std::pair<ObjectName, PendingPtr>;

  PendingPtr find_pending(const ObjectName& name) const;
  bool is_written(const ObjectName& name, ByteView bytes);
  void publish(const Item& item);
  void require_live(const FencePtr& fence) const;
  /// Runs `send` with the fence's number; learns from a refusal.
  void send_under(const FencePtr& fence,
                  const std::function<void(std::optional<std::uint64_t>)>& send);
  /// Drops an own write that is not visible yet. True if the name belongs to another object.
  bool give_up(const ObjectName& name);
  Error conflict(const ObjectName& name) const;

  mutable RestWire wire_;
  RestLists lists_;
  TurnQueue turns_;  ///< of those who send or drop pending objects

  mutable std::mutex mutex_;  // a leaf: guards all below
  std::map<ObjectName, PendingPtr> pending_;
  std::uint64_t publications_ = 0;  // how often entries of `pending_` have become visible objects
  std::map<ObjectName, Error> lost_;
};

Error RestBackend::conflict(const ObjectName& name) const {
  return Error{ErrorCode::exists,
               fmt::format("{}: {} exists with other content", location(), name.path())};
}

RestBackend::PendingPtr RestBackend::find_pending(const ObjectName& name) const {
  const std::lock_guard lock{mutex_};
  const auto found = pending_.find(name);
  return found == pending_.end() ? nullptr : found->second;
}

void RestBackend::read(const ObjectName& name, std::uint64_t offset, MutableBytes out) {
  if (const PendingPtr pending = find_pending(name)) {
    const std::size_t size = pending->bytes.size();
    if (offset > size || out.size() > size - offset) {
      throw Error{ErrorCode::corrupt, fmt::format("{} has {} bytes; {} were expected at {}",
                                                  name.path(), size, out.size(), offset)};
    }
    if (!out.empty()) std::memcpy(out.data(), pending->bytes.data() + offset, out.size());
    return;
  }
  const bool is_there = out.empty() ? wire_.head(name).has_value() : wire_.get(name, offset, out);
  if (!is_there) {
    throw Error{ErrorCode::not_found,
                fmt::format("{}: {} does not exist", location(), name.path())};
  }
}

std::optional<ObjectInfo> RestBackend::stat(const ObjectName& name) {
  if (const PendingPtr pending = find_pending(name)) {
    ObjectInfo info{name, pending->bytes.size(), {}};
    if (wire_.shows_times()) info.stored_at = pending->written_at;
    return info;
  }
  return wire_.head(name);
}

void RestBackend::list(ObjectType type, const std::function<void(const ObjectInfo&)>& each) {
  if (type == ObjectType::config) {
    if (const auto info = wire_.head(format::config_name())) each(*info);
    return;
  }
  for (const std::vector<ObjectInfo> objects = lists_.list(type);
       const ObjectInfo& info : objects) {
    each(info);
  }
}

void RestBackend::require_live(const FencePtr& fence) const {
  if (fence && fence->is_over) throw fenced_error(location());
}

void RestBackend::send_under(const FencePtr& fence,
                             const std::function<void(std::optional<std::uint64_t>)>& send) {
  if (!fence) return send(std::nullopt);
  try {
    send(fence->number);
  } catch (const Error& error) {
    if (error.code() != ErrorCode::busy) throw;
    fence->is_over = true;
    throw fenced_error(location());
  }
}

void RestBackend::write_under(const FencePtr& fence, const ObjectName& name, ByteView bytes) {
  require_live(fence);
  if (name.type == ObjectType::pack) {
    return send_under(fence, [&](auto number) { wire_.post(name, bytes, number); });
  }
  for (PendingPtr pending;;) {
    std::uint64_t publications = 0;
    {
      const std::lock_guard lock{mutex_};
      publications = publications_;
    }
    if (is_written(name, bytes)) return;
    if (!pending) {
      pending =
          std::make_shared<Pending>(Pending{{bytes.begin(), bytes.end()}, wire_.now(), fence});
    }
    const std::lock_guard lock{mutex_};
    // Another thread may have written this name, or even published it, since we looked.
    if (publications_ == publications && pending_.try_emplace(name, pending).second) {
      lost_.erase(name);
      return;
    }
  }
}

bool RestBackend::is_written(const ObjectName& name, ByteView bytes) {
  if (const PendingPtr pending = find_pending(name)) {
    if (!std::equal(bytes.begin(), bytes.end(), pending->bytes.begin(), pending->bytes.end())) {
      throw conflict(name);
    }
    return true;
  }
  if (name.type != ObjectType::config) {
    // The same object again is success when it is sent.
    if (sha256(bytes) == name.id.bytes()) return false;
    if (wire_.head(name)) throw conflict(name);
    throw Error{ErrorCode::usage, name.path() + " is not the name of these bytes"};
  }
  if (!wire_.head(name)) return false;
  if (!wire_.has_content(name, bytes)) throw conflict(name);
  const std::lock_guard lock{mutex_};
  lost_.erase(name);
  return true;
}

void RestBackend::publish(const Item& item) {
  const auto& [name, pending] = item;
  try {
    // Some servers replace what is there.
    if (name.type == ObjectType::config && wire_.head(name) &&
        !wire_.has_content(name, pending->bytes)) {
      throw conflict(name);
    }
    send_under(item.second->fence,
               [&](auto number) { wire_.post(item.first, item.second->bytes, number); });
  } catch (const Error& error) {
    const bool is_fenced = error.code() == ErrorCode::busy;
    // Else it stays, and the next barrier tries again.
    if (error.code() != ErrorCode::exists && !is_fenced) throw;
    const std::lock_guard lock{mutex_};
    pending_.erase(name);
    ++publications_;
    if (is_fenced) return;  // whoever wrote it learns it from his barrier
    lost_.insert_or_assign(name, error);
    throw;
  }
  const std::lock_guard lock{mutex_};
  pending_.erase(name);
  ++publications_;
}

void RestBackend::barrier_under(const FencePtr& fence) {
  const TurnQueue::Turn turn{turns_};
  std::vector<Item> all;
  {
    const std::lock_guard lock{mutex_};
    if (!lost_.empty()) throw Error{lost_.begin()->second};
    all.assign(pending_.begin(), pending_.end());
  }
  for (const ObjectType type : kPublishOrder) {
    std::vector<Item> batch;
    std::copy_if(all.begin(), all.end(), std::back_inserter(batch),
                 [&](const Item& item) { return item.first.type == type; });
    for_each_in_parallel(batch, [&](const Item& item) { publish(item); });
  }
  require_live(fence);
}

void RestBackend::remove_under(const FencePtr& fence, const ObjectName& name) {
  require_live(fence);
  if (give_up(name)) return;
  send_under(fence, [&](auto number) { wire_.remove(name, number); });
}

bool RestBackend::give_up(const ObjectName& name) {
  {
    const std::lock_guard lock{mutex_};
    if (!pending_.contains(name) && !lost_.contains(name)) return false;
  }
  const TurnQueue::Turn turn{turns_};
  PendingPtr dropped;
  {
    const std::lock_guard lock{mutex_};
    if (lost_.erase(name) > 0) return true;
    if (const auto own = pending_.extract(name)) dropped = own.mapped();
  }
  return dropped && name.type == ObjectType::config && wire_.head(name) &&
         !wire_.has_content(name, dropped->bytes);
}

}  // namespace

std::unique_ptr<Backend> open_rest_backend(const std::string& location, RemoteOptions options) {
  return std::make_unique<RestBackend>(parse_rest_location(location), std::move(options));
}

std::unique_ptr<Backend> create_rest_backend(const std::string& location, RemoteOptions options) {
  auto backend = std::make_unique<RestBackend>(parse_rest_location(location), std::move(options));
  RestWire& wire = backend->wire();
  if (wire.head(format::config_name())) {
    throw Error{ErrorCode::exists, "there is a repository already at " + wire.location()};
  }
  wire.create();
  for (const ObjectType type : {ObjectType::key, ObjectType::snapshot, ObjectType::index}) {
    if (wire.list(type).objects.empty()) continue;
    throw Error{ErrorCode::exists,
                fmt::format("{} has no config, but {}/ is not empty", wire.location(),
                            format::directory_name(type)),
                "take another name, or restore its config"};
  }
  return backend;
}

}  // namespace vgerfs::backends
