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

std::string ObjectName::path() const {
  std::string text{directory_name(type)};
  if (type == ObjectType::config) return text;
  const std::string hex = id.hex();
  if (type == ObjectType::pack) text.append(1, '/').append(hex, 0, 2);
  return text.append(1, '/').append(hex);
}

}  // namespace vgerfs::format
