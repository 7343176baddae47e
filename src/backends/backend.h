// The storage port: what vgerfs needs of a place that keeps objects. Few calls, whole-or-nothing,
// immutable objects. Every adapter and decorator passes the conformance suite in tests/backends/.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "base/bytes.h"
#include "base/clock.h"
#include "format/object_name.h"

namespace vgerfs::backends {

class StoreServices;

struct ObjectInfo {
  format::ObjectName name;
  std::uint64_t stored_bytes = 0;
  std::optional<Timestamp> stored_at;  ///< by the store's clock, where it has one
};

struct Capabilities {
  bool store_clock = false;      ///< ObjectInfo::stored_at is set
  bool local_directory = false;  ///< reads are cheap; no need to cache objects
  /// A pack is durable and visible to others when `write` returns, and stays without a barrier:
  /// nothing refers to it before its record is there.
  bool packs_at_once = false;
};

/// Many threads may call every function at once. Errors: not_found, exists, no_space, read_only,
/// unavailable, denied, corrupt, io. `not_found` means certainly absent; a store that cannot tell
/// throws `unavailable`.
class Backend {
 public:
  virtual ~Backend() = default;

  /// Fills `out` with the object's bytes from `offset` on. Throws not_found if the object is
  /// absent, corrupt if it ends before `out` is full. Sees this instance's own writes before their
  /// barrier.
  virtual void read(const format::ObjectName& name, std::uint64_t offset, MutableBytes out) = 0;

  /// Stores an object if it is absent. It is durable and visible to others only after `barrier()`
  /// (but see Capabilities::packs_at_once).
  /// An identical object that is there already is success; one of another size (or, where the store
  /// tells, hash) is Error{exists}. On failure nothing becomes visible under this name.
  virtual void write(const format::ObjectName& name, ByteView bytes) = 0;

  /// Returns when every write that this instance finished before the call is durable and visible.
  /// Throws if any of them could not be made so; those then are not visible, or visible and
  /// durable, never torn. A write that was lost so makes every later barrier throw, too, until the
  /// object is written again or given up by `remove`: a second caller must not take it for durable.
  virtual void barrier() = 0;

  /// nullopt if the object is certainly absent. Sees own writes before their barrier.
  virtual std::optional<ObjectInfo> stat(const format::ObjectName& name) = 0;

  /// Calls `each` for every visible object of a type, in any order. Foreign names are skipped.
  /// Throws if the listing is not complete. Own writes before their barrier may be missing.
  virtual void list(format::ObjectType type,
                    const std::function<void(const ObjectInfo&)>& each) = 0;

  /// Removes an object; one that is absent is success. Durable when it returns. An own write of
  /// that name is dropped, even before its barrier.
  virtual void remove(const format::ObjectName& name) = 0;

  virtual Capabilities capabilities() const = 0;

  /// What this store can do beyond keeping objects; null: nothing. Lives as long as the backend.
  virtual StoreServices* services() noexcept { return nullptr; }

  /// The place, without credentials, for messages.
  virtual std::string location() const = 0;
};

/// The whole object, checked against its name (config: size only). Throws corrupt if it is longer
/// than `max_bytes` or its SHA-256 is not its name.
Bytes read_object(Backend& backend, const format::ObjectName& name, std::uint64_t max_bytes);

/// Names the bytes by their SHA-256 and writes them; the name is returned. Not durable before the
/// barrier.
format::ObjectName write_object(Backend& backend, format::ObjectType type, ByteView bytes);

}  // namespace vgerfs::backends
