// Names of the objects of a repository (docs/FORMAT.md section 2).
#pragma once

#include <compare>
#include <optional>
#include <string>
#include <string_view>

#include "base/ids.h"

namespace vgerfs::format {

enum class ObjectType { config, key, pack, index, snapshot, lock };

/// All types but config, in a fixed order.
inline constexpr ObjectType kListedTypes[] = {ObjectType::key, ObjectType::pack, ObjectType::index,
                                              ObjectType::snapshot, ObjectType::lock};

/// "config", "keys", "data", "index", "snapshots" or "locks": as in paths and on the wire.
std::string_view directory_name(ObjectType type) noexcept;

/// The type that is so called; nullopt for other words.
std::optional<ObjectType> parse_object_type(std::string_view text) noexcept;

/// Type and id; the config has the zero id. A plain value.
struct ObjectName {
  ObjectType type = ObjectType::config;
  ObjectId id;

  // NOLINTNEXTLINE(modernize-use-nullptr): clang-tidy 14 misreads a defaulted comparison
  friend auto operator<=>(const ObjectName&, const ObjectName&) = default;

  /// Relative path: "config", "index/ab12…", "data/ab/ab12…".
  std::string path() const;
};

/// The name of an object with a typed id.
template <class Tag>
ObjectName object_name(ObjectType type, const Id<Tag>& id) {
  return {type, ObjectId{id.bytes()}};
}
inline ObjectName config_name() { return {}; }
inline ObjectName pack_name(const PackId& id) { return object_name(ObjectType::pack, id); }
inline ObjectName record_name(const RecordId& id) { return object_name(ObjectType::index, id); }
inline ObjectName snapshot_name(const SnapshotId& id) {
  return object_name(ObjectType::snapshot, id);
}
inline ObjectName slot_name(const SlotId& id) { return object_name(ObjectType::key, id); }
inline ObjectName lease_name(const LeaseId& id) { return object_name(ObjectType::lock, id); }

}  // namespace vgerfs::format
