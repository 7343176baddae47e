#include "repo/maintenance/revocation.h"

#include <algorithm>
#include <utility>

#include "base/error.h"
#include "repo/maintenance/maintainer.h"

namespace vgerfs::repo {
namespace {

/// Snapshots that this author may have signed. Who signed what was removed or cannot be opened is
/// not known here: an id that another author signed says nothing.
std::vector<ObjectId> snapshots_of(Repository& repository, const crypto::PublicKey& author,
                                   std::size_t& known) {
  const auto list = repository.snapshots();
  std::vector<SnapshotId> others;
  known = 0;
  for (const ListedSnapshot& listed : list->snapshots) {
    if (listed.snapshot->author.author == author) {
      ++known;
    } else {
      others.push_back(listed.snapshot->id);
    }
  }
  std::sort(others.begin(), others.end());
  std::vector<ObjectId> ids;
  for (const SnapshotId& id : list->ids) {
    if (!std::binary_search(others.begin(), others.end(), id)) ids.emplace_back(id.bytes());
  }
  return ids;
}

}  // namespace

RevokedAuthor revoke_author(Repository& repository, const Certificate& author) {
  require_maintainer(repository);
  if (author.role == Role::full) {
    throw Error{ErrorCode::usage,
                "a key of role full cannot be revoked: who has it can certify new ones",
                "if it leaked, make a new repository and back up into that"};
  }
  repository.refresh();
  RevokedAuthor result;
  std::vector<ObjectId> surviving = snapshots_of(repository, author.author, result.snapshots);
  for (const IndexedRecord& record : repository.index().record_list()) {
    // What was superseded is carried by a full author's record.
    if (record.author != author.author || record.revoked || record.superseded) continue;
    surviving.emplace_back(record.id.bytes());
    ++result.records;
  }
  const std::vector<Revocation> revocations = repository.index().facts().revocations;
  result.was_revoked =
      std::any_of(revocations.begin(), revocations.end(),
                  [&](const Revocation& other) { return other.author == author.author; });
  if (result.was_revoked) return result;

  // What cannot be read today may be restored from a copy of the store.
  for (const RecordId& id : repository.unreadable_records()) surviving.emplace_back(id.bytes());
  for (const SnapshotId& id : repository.unlisted_snapshots()) surviving.emplace_back(id.bytes());
  IndexRecord record;
  record.facts.revocations.push_back(
      sign_revocation(author.author, std::move(surviving), repository.keyring()));
  repository.publish_record(std::move(record));
  repository.refresh();
  return result;
}

}  // namespace vgerfs::repo
