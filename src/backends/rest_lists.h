// The lists of a repository behind a server, kept up with its history of changes: what is listed
// again and again is asked for in full only once.
#pragma once

#include <map>
#include <mutex>
#include <optional>
#include <vector>

#include "backends/rest_wire.h"
#include "backends/store_services.h"

namespace vgerfs::backends {

/// Thread-safe.
class RestLists {
 public:
  /// `wire` must outlive this.
  explicit RestLists(RestWire& wire) : wire_(wire) {}

  /// All objects of a type but config, complete, as RestWire::list.
  std::vector<ObjectInfo> list(format::ObjectType type);
  /// See StoreServices::history.
  std::optional<StoreHistory> history(const std::optional<format::ChainHead>& known);

 private:
  struct Followed {
    format::ChainHead head;
    std::map<ObjectId, ObjectInfo> objects;
  };

  std::vector<ObjectInfo> list_anew(format::ObjectType type);
  bool catch_up(format::ObjectType type, Followed& list);

  RestWire& wire_;
  std::mutex mutex_;                                 // held while the server is asked
  std::map<format::ObjectType, Followed> followed_;  // guarded by mutex_, as is the next
  std::optional<format::ChainHead> head_;            ///< the newest that the server has told
};

}  // namespace vgerfs::backends
