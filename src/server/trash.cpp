#include "server/trash.h"

#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is declared here only
#include <unistd.h>

#include <cerrno>

#include "base/error.h"
#include "server/beneath.h"
#include "server/repository_files.h"

namespace vgerfs::server {

void restore_from_trash(const DataDirectory& directory, Catalog& catalog, std::int64_t id,
                        std::int64_t now) {
  const auto row = catalog.find_trash(id);
  if (!row)
    throw Error{ErrorCode::not_found, fmt::format("nothing with number {} is in the trash", id)};
  const auto repository = catalog.find_repository(row->repository);
  const auto name = repository ? RepositoryName::parse(repository->name) : std::nullopt;
  const auto root = name ? directory.open_repository(*name) : std::nullopt;
  if (!root) throw Error{ErrorCode::no_repository, "its repository is gone"};
  const RepositoryFiles files{root->get()};
  const Fd to = files.make_directory_of(row->object);
  if (::renameat2(directory.trash(), row->file.c_str(), to.get(), file_name(row->object).c_str(),
                  RENAME_NOREPLACE) != 0) {
    if (errno == EEXIST) {
      throw Error{ErrorCode::exists,
                  fmt::format("{} has {} again", name->text(), row->object.path())};
    }
    throw system_error(errno, "restoring " + row->object.path());
  }
  for (const auto& [path, there] : files.directories_of(row->object)) sync(there.get(), path);
  sync(directory.trash(), "the trash");
  const auto parked = ParkedName::parse(row->file);
  const auto object = files.open(row->object);
  if (!object) throw system_error(ENOENT, "restoring " + row->object.path());
  catalog.add_object(
      row->repository,
      {row->object, row->bytes, parked ? parked->token : kUnknownOwner, object->stored_at_ns}, now);
  catalog.remove_trash(id);
}

void delete_from_trash(const DataDirectory& directory, Catalog& catalog, const TrashRow& row) {
  if (::unlinkat(directory.trash(), row.file.c_str(), 0) != 0 && errno != ENOENT) {
    throw system_error(errno, "deleting from the trash");
  }
  catalog.remove_trash(row.id);
}

}  // namespace vgerfs::server
