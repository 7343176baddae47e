#include "format/object_name.h"

namespace vgerfs::format {

std::string_view directory_name(ObjectType type) noexcept {
  switch (type) {
    case ObjectType::config: return "config";
    case ObjectType::key: return "keys";
    case ObjectType::pack: return "data";
    case ObjectType::index: return "index";
    case ObjectType::snapshot: return "snapshots";
    case ObjectType::lock: return "locks";
  }
  return "config";
}

std::optional<ObjectType> parse_object_type(std::string_view text) noexcept {
  if (text == directory_name(ObjectType::config)) return ObjectType::config;
  for (const ObjectType type : kListedTypes) {
    if (text == directory_name(type)) return type;
  }
  return std::nullopt;
}

std::string ObjectName::path() const {
  std::string text{directory_name(type)};
  if (type == ObjectType::config) return text;
  const std::string hex = id.hex();
  if (type == ObjectType::pack) text.append(1, '/').append(hex, 0, 2);
  return text.append(1, '/').append(hex);
}

}  // namespace vgerfs::format
