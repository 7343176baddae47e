#include "backends/backend.h"

#include "base/error.h"
#include "base/sha256.h"

namespace vgerfs::backends {

Bytes read_object(Backend& backend, const format::ObjectName& name, std::uint64_t max_bytes) {
  const std::optional<ObjectInfo> info = backend.stat(name);
  if (!info) {
    throw Error{ErrorCode::not_found,
                fmt::format("{} is not in {}", name.path(), backend.location())};
  }
  // The store is not trusted: its size decides about an allocation only below the caller's limit.
  if (info->stored_bytes > max_bytes) {
    throw Error{ErrorCode::corrupt, fmt::format("{} has {} bytes; at most {} are valid",
                                                name.path(), info->stored_bytes, max_bytes)};
  }
  Bytes bytes(static_cast<std::size_t>(info->stored_bytes));
  backend.read(name, 0, bytes);
  if (name.type != format::ObjectType::config && sha256(bytes) != name.id.bytes()) {
    throw Error{ErrorCode::corrupt,
                fmt::format("{} is damaged: its bytes do not match its name", name.path())};
  }
  return bytes;
}

format::ObjectName write_object(Backend& backend, format::ObjectType type, ByteView bytes) {
  format::ObjectName name{type, {}};
  if (type != format::ObjectType::config) name.id = ObjectId{sha256(bytes)};
  backend.write(name, bytes);
  return name;
}

}  // namespace vgerfs::backends
