#include "server/settlement.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <utility>
#include <vector>

#include "base/error.h"
#include "base/log.h"
#include "server/repository_files.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

/// The directory of the repository with this row; nullopt if either is gone.
std::optional<Fd> open_repository(const DataDirectory& directory, Catalog& catalog,
                                  std::int64_t id) {
  const auto row = catalog.find_repository(id);
  const auto name = row ? RepositoryName::parse(row->name) : std::nullopt;
  return name ? directory.open_repository(*name) : std::nullopt;
}

void settle_trash_file(const DataDirectory& directory, Change& change, const std::string& file,
                       std::int64_t now, SettlementResult& result) {
  Catalog& catalog = change.catalog();
  if (catalog.has_trash_file(file)) return;
  const auto parked = ParkedName::parse(file);
  struct stat status {};
  if (!parked || ::fstatat(directory.trash(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    return;  // nothing of ours
  }
  const auto repository = open_repository(directory, catalog, parked->repository);
  if (repository) {
    const RepositoryFiles files{repository->get()};
    if (!files.open(parked->object)) {
      catalog.remove_object(parked->repository, parked->object, parked->token, now);
      change.sync_before_commit(parked->repository, files, parked->object);
    }
  }
  catalog.add_trash({.repository = parked->repository,
                     .object = parked->object,
                     .bytes = static_cast<std::uint64_t>(status.st_size),
                     .removed_at = now,
                     .file = file});
  ++result.removed;
}

/// A row whose file is gone: it was being restored, or deleted for good.
void settle_trash_row(const DataDirectory& directory, Change& change, const TrashRow& row,
                      std::int64_t now, SettlementResult& result) {
  struct stat status {};
  if (::fstatat(directory.trash(), row.file.c_str(), &status, AT_SYMLINK_NOFOLLOW) == 0) return;
  if (errno != ENOENT) throw system_error(errno, "looking into the trash");
  Catalog& catalog = change.catalog();
  if (const auto repository = open_repository(directory, catalog, row.repository)) {
    const RepositoryFiles files{repository->get()};
    const auto parked = ParkedName::parse(row.file);
    if (const auto object = files.open(row.object)) {
      catalog.add_object(
          row.repository,
          {row.object, object->bytes, parked ? parked->token : kUnknownOwner, object->stored_at_ns},
          now);
      change.sync_before_commit(row.repository, files, row.object);
    }
  }
  catalog.remove_trash(row.id);
  ++result.removed;
}

/// Locks have no trash: one whose file is gone was removed.
void settle_locks(const DataDirectory& directory, Change& change, std::int64_t repository,
                  std::int64_t now, SettlementResult& result) {
  Catalog& catalog = change.catalog();
  const auto root = open_repository(directory, catalog, repository);
  if (!root) return;
  const RepositoryFiles files{root->get()};
  std::vector<ObjectName> gone;
  catalog.list_objects(repository, ObjectType::lock, [&](const ObjectRow& row) {
    if (!files.open(row.name)) gone.push_back(row.name);
  });
  for (const ObjectName& name : gone) catalog.remove_object(repository, name, kUnknownOwner, now);
  result.removed += gone.size();
}

}  // namespace

void settle_upload(const DataDirectory& directory, Change& change, const std::string& file,
                   std::int64_t now, SettlementResult& result) {
  const auto parked = ParkedName::parse(file);
  struct stat status {};
  if (::fstatat(directory.uploads(), file.c_str(), &status, AT_SYMLINK_NOFOLLOW) != 0) {
    if (errno == ENOENT) return;
    throw system_error(errno, "looking at an upload");
  }
  Catalog& catalog = change.catalog();
  bool is_object = false;
  if (parked && status.st_nlink > 1) {
    // Two names: the object got its own, and its bytes had been synced before that.
    if (const auto repository = open_repository(directory, catalog, parked->repository)) {
      const RepositoryFiles files{repository->get()};
      struct stat named {};
      const auto object = files.open(parked->object);
      is_object = object && ::fstat(object->fd->get(), &named) == 0 &&
                  named.st_ino == status.st_ino && named.st_dev == status.st_dev;
      if (is_object) {
        const ObjectRow row{parked->object, object->bytes, parked->token, object->stored_at_ns};
        if (catalog.add_object(parked->repository, row, now)) ++result.added;
        change.sync_before_commit(parked->repository, files, parked->object);
      }
    }
  }
  if (!is_object) ++result.discarded;
  change.after_commit([&directory, file] { ::unlinkat(directory.uploads(), file.c_str(), 0); });
}

SettlementResult settle_all(const DataDirectory& directory, Change& change, std::int64_t now) {
  SettlementResult result;
  DataDirectory::list_names(directory.uploads(), [&](const std::string& file) {
    settle_upload(directory, change, file, now, result);
  });
  DataDirectory::list_names(directory.trash(), [&](const std::string& file) {
    settle_trash_file(directory, change, file, now, result);
  });
  for (const TrashRow& row : change.catalog().trash()) {
    settle_trash_row(directory, change, row, now, result);
  }
  for (const RepositoryRow& row : change.catalog().repositories()) {
    settle_locks(directory, change, row.id, now, result);
  }
  return result;
}

}  // namespace vgerfs::server
