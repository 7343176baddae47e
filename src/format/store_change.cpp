#include "format/store_change.h"

#include <fmt/format.h>

namespace vgerfs::format {

Sha256Digest link_hash(const Sha256Digest& before, const StoreChange& change) {
  Sha256 hash;
  hash.update(before);
  hash.update(bytes_of(fmt::format("{} {} {}/{} {} {} {} {}\n", change.sequence,
                                   change.is_added ? "added" : "removed",
                                   directory_name(change.object.type), change.object.id.hex(),
                                   change.bytes, change.stored_at_ns, change.at_s, change.token)));
  return hash.finish();
}

}  // namespace vgerfs::format
