#include "repo/maintenance/maintainer.h"

#include "base/error.h"
#include "repo/required_features.h"

namespace vgerfs::repo {

void require_maintainer(Repository& repository) {
  if (!repository.can_read()) {
    throw Error{ErrorCode::denied, "an ingest key cannot maintain a repository: it reads nothing",
                "use a full key"};
  }
  require_features(repository, Work::maintain);
}

void require_all_records(const Repository& repository) {
  const std::vector<RecordId> unreadable = repository.unreadable_records();
  if (unreadable.empty()) return;
  throw Error{ErrorCode::corrupt,
              fmt::format("{} of the index records cannot be read, for instance {}: they may hold "
                          "snapshots",
                          unreadable.size(), format::record_name(unreadable.front()).path()),
              "`vgerfs-admin check` says more, `vgerfs-admin rebuild-index` makes them anew"};
}

}  // namespace vgerfs::repo
