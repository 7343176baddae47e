#include "server/scan.h"

#include <unordered_map>
#include <vector>

namespace vgerfs::server {

using format::ObjectName;
using format::ObjectType;

ScanResult scan_repository(const RepositoryFiles& files, Catalog& catalog, std::int64_t repository,
                           std::int64_t now) {
  ScanResult result;
  constexpr ObjectType kTypes[] = {ObjectType::config, ObjectType::key,  ObjectType::pack,
                                   ObjectType::index,  ObjectType::lock, ObjectType::snapshot};
  for (const ObjectType type : kTypes) {
    std::unordered_map<ObjectId, ListedObject> there;
    files.list(type, [&](const ListedObject& object) { there.emplace(object.name.id, object); });
    result.objects += there.size();
    // Whoever has another size than its row counts as gone and come again.
    std::vector<ObjectName> gone;
    catalog.list_objects(repository, type, [&](const ObjectRow& row) {
      const auto found = there.find(row.name.id);
      if (found != there.end() && found->second.bytes == row.bytes) {
        there.erase(found);
      } else {
        gone.push_back(row.name);
      }
    });
    for (const ObjectName& name : gone) {
      if (catalog.remove_object(repository, name, kUnknownOwner, now)) ++result.removed;
    }
    for (const auto& [id, object] : there) {
      const ObjectRow row{object.name, object.bytes, kUnknownOwner, object.stored_at_ns};
      if (catalog.add_object(repository, row, now)) ++result.added;
    }
  }
  return result;
}

}  // namespace vgerfs::server
