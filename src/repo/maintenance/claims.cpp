#include "repo/maintenance/claims.h"

namespace vgerfs::repo {

void for_each_claim(
    Repository& repository,
    const std::function<void(const format::ObjectName& name, bool by_full_author)>& each) {
  using format::ObjectType;
  for (const IndexCache::Claim& claim : repository.index().claims()) {
    each({claim.snapshot ? ObjectType::snapshot : ObjectType::index, claim.id},
         claim.by_full_author);
  }
  for (const auto list = repository.snapshots(); const ListedSnapshot& listed : list->snapshots) {
    for (const RecordId& id : listed.snapshot->after_records) {
      each(format::record_name(id), listed.snapshot->author.role == Role::full);
    }
  }
}

}  // namespace vgerfs::repo
