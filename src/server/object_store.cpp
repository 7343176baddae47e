#include "server/object_store.h"

#include <fcntl.h>
#include <stdio.h>  // NOLINT(modernize-deprecated-headers): renameat2 is declared here only
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <utility>

#include "base/error.h"
#include "base/log.h"
#include "server/beneath.h"
#include "server/scan.h"
#include "server/settlement.h"
#include "server/trash.h"

namespace vgerfs::server {
namespace {

using format::ObjectName;
using format::ObjectType;

constexpr DatabaseOptions kReaderOptions{.durability = Durability::extra, .cache_kib = 2 * 1024};
constexpr std::size_t kIdleReaders = 16;
constexpr std::size_t kCompareBytes = 256 * 1024;
/// So many files of the trash are deleted in one transaction.
constexpr int kTrashBatch = 100;

}  // namespace

ObjectStore::ObjectStore(const DataDirectory& directory, CommitQueue& queue, SpaceLedger& ledger,
                         const Clock& clock)
    : directory_(directory),
      queue_(queue),
      ledger_(ledger),
      clock_(clock),
      readers_(directory.database_path(), kReaderOptions, kIdleReaders) {
  SettlementResult settled;
  queue_.commit([&](Change& change) {
    settled = settle_all(directory_, change, clock_.now().s);
    const auto totals = change.catalog().totals();
    change.after_commit([this, totals] { ledger_.load(totals); });
  });
  if (settled.added + settled.removed + settled.discarded > 0) {
    log::info("settled what was left: {} objects recorded, {} removals, {} partial uploads dropped",
              settled.added, settled.removed, settled.discarded);
  }
}

Fd ObjectStore::open_directory(const RepositoryName& name) const {
  auto directory = directory_.open_repository(name);
  if (!directory) {
    // The database knows it: a missing directory is never an empty repository.
    throw Error{ErrorCode::unavailable,
                fmt::format("the directory of repository {} is gone", name.text())};
  }
  return std::move(*directory);
}

std::optional<std::int64_t> ObjectStore::known_id(const RepositoryName& name) {
  {
    const std::lock_guard lock{mutex_};
    const auto found = ids_.find(name.text());
    if (found != ids_.end()) return found->second;
  }
  const auto connection = readers_.take();
  const auto row = Catalog{*connection}.find_repository(name);
  if (!row) return std::nullopt;
  remember(name, row->id);
  return row->id;
}

void ObjectStore::remember(const RepositoryName& name, std::int64_t id) {
  const std::lock_guard lock{mutex_};
  ids_[name.text()] = id;
}

std::optional<Repository> ObjectStore::find(const RepositoryName& name) {
  if (const auto id = known_id(name)) return Repository{*id, name};
  const auto directory = directory_.open_repository(name);
  if (!directory) return std::nullopt;
  const RepositoryFiles files{directory->get()};
  if (!files.open(format::config_name())) return std::nullopt;

  const std::lock_guard lock{take_in_mutex_};
  if (const auto id = known_id(name)) return Repository{*id, name};
  std::int64_t id = 0;
  queue_.commit([&](Change& change) {
    Catalog& catalog = change.catalog();
    const std::int64_t now = clock_.now().s;
    id = catalog.add_repository(name, now);
    const ScanResult scanned = scan_repository(files, catalog, id, now);
    log::info("took in repository {} with {} objects", name.text(), scanned.objects);
    const auto totals = catalog.totals();
    change.after_commit([this, totals] { ledger_.load(totals); });
  });
  remember(name, id);
  return Repository{id, name};
}

void ObjectStore::create(const RepositoryName& name) {
  if (find(name)) {
    directory_.make_repository(name);  // what may be missing of its layout
    return;
  }
  std::int64_t id = 0;
  queue_.commit([&](Change& change) {
    directory_.make_repository(name);
    id = change.catalog().add_repository(name, clock_.now().s);
  });
  remember(name, id);
}

std::size_t ObjectStore::repository_count() {
  const auto connection = readers_.take();
  return Catalog{*connection}.repositories().size();
}

std::optional<OpenObject> ObjectStore::open(const Repository& repository, const ObjectName& name) {
  const Fd root = open_directory(repository.name);
  return RepositoryFiles{root.get()}.open(name);
}

bool ObjectStore::touch(const Repository& repository, const ObjectName& name) {
  const auto object = open(repository, name);
  if (!object) return false;
  if (::futimens(object->fd->get(), nullptr) != 0) {
    throw system_error(errno, "setting the time of " + name.path());
  }
  return true;
}

bool ObjectStore::is_own(const Repository& repository, const ObjectName& name,
                         const Principal& principal) {
  const auto connection = readers_.take();
  const auto row = Catalog{*connection}.find_object(repository.id, name);
  return row && row->token == principal.id;
}

std::optional<format::ChainHead> ObjectStore::list(
    const Repository& repository, ObjectType type,
    const std::function<void(const ListedObject&)>& each) {
  if (type == ObjectType::lock) {
    const Fd root = open_directory(repository.name);
    RepositoryFiles{root.get()}.list(type, each);
    return std::nullopt;
  }
  const auto connection = readers_.take();
  const Transaction transaction{*connection, Transaction::Mode::read};
  Catalog catalog{*connection};
  const auto row = catalog.find_repository(repository.id);
  if (!row) throw Error{ErrorCode::no_repository, "the repository is gone"};
  catalog.list_objects(repository.id, type, [&](const ObjectRow& object) {
    each({object.name, object.bytes, object.stored_at_ns});
  });
  return row->head;
}

std::unique_ptr<Upload> ObjectStore::begin(const Repository& repository, const ObjectName& name,
                                           const Principal& principal, Reservation reservation) {
  return std::make_unique<Upload>(directory_, ParkedName::make(repository.id, principal.id, name),
                                  std::move(reservation));
}

ObjectStore::Added ObjectStore::add(const Repository& repository, Upload& upload,
                                    const ChangeGuard& guard,
                                    const std::function<void(Change&)>& published) {
  const ObjectName& name = upload.name().object;
  const Sha256Digest hash = upload.finish();
  if (name.type != ObjectType::config && hash != name.id.bytes()) {
    throw Error{ErrorCode::usage, "the SHA-256 of the body is not the object's name"};
  }
  if (name.type == ObjectType::config && upload.bytes() == 0) {
    throw Error{ErrorCode::usage, "a config cannot be empty"};
  }
  settle_unfinished();
  if (publish(repository, upload, guard, published)) return Added::anew;
  if (!is_identical(repository, name, hash, upload.bytes())) {
    throw Error{ErrorCode::exists, "there is an object of this name with other content"};
  }
  acknowledge_again(repository, upload, guard);
  return Added::again;
}

bool ObjectStore::publish(const Repository& repository, Upload& upload, const ChangeGuard& guard,
                          const std::function<void(Change&)>& published) {
  const ObjectName& name = upload.name().object;
  bool linked = false;
  try {
    queue_.commit([&](Change& change) {
      if (guard) guard(change);
      const Fd root = open_directory(repository.name);
      const RepositoryFiles files{root.get()};
      linked = upload.link_to(files.make_directory_of(name).get(), file_name(name));
      if (!linked) return;
      change.sync_before_commit(repository.id, files, name);
      change.catalog().add_object(
          repository.id, {name, upload.bytes(), upload.name().token, upload.stored_at_ns()},
          clock_.now().s);
      if (published) published(change);
      change.after_commit([&upload] {
        upload.reservation().settle(upload.bytes());
        upload.discard();
      });
    });
  } catch (...) {
    if (linked) {
      // The object is there and its row is not: the file in uploads/ stays until it is.
      upload.keep();
      const std::lock_guard lock{mutex_};
      unfinished_.push_back(upload.name().text());
    }
    throw;
  }
  return linked;
}

bool ObjectStore::is_identical(const Repository& repository, const ObjectName& name,
                               const Sha256Digest& hash, std::uint64_t bytes) {
  const auto there = open(repository, name);
  if (!there || there->bytes != bytes) return false;
  Sha256 hasher;
  Bytes buffer(kCompareBytes);
  for (std::uint64_t done = 0; done < bytes;) {
    const std::size_t count = read_at(there->fd->get(), buffer, done, name.path());
    if (count == 0) return false;
    hasher.update(ByteView{buffer}.first(count));
    done += count;
  }
  return hasher.finish() == hash;
}

void ObjectStore::acknowledge_again(const Repository& repository, Upload& upload,
                                    const ChangeGuard& guard) {
  // Whoever has linked it may not have come to its sync or its row yet.
  const ObjectName& name = upload.name().object;
  queue_.commit([&](Change& change) {
    if (guard) guard(change);
    const Fd root = open_directory(repository.name);
    const RepositoryFiles files{root.get()};
    const auto there = files.open(name);
    if (!there) {
      throw Error{ErrorCode::unavailable, "the object was removed meanwhile: send it again"};
    }
    change.sync_before_commit(repository.id, files, name);
    change.catalog().add_object(
        repository.id, {name, there->bytes, kUnknownOwner, there->stored_at_ns}, clock_.now().s);
  });
}

void ObjectStore::settle_unfinished() {
  std::vector<std::string> files;
  {
    const std::lock_guard lock{mutex_};
    files.swap(unfinished_);
  }
  if (files.empty()) return;
  try {
    queue_.commit([&](Change& change) {
      SettlementResult ignored;
      for (const std::string& file : files) {
        settle_upload(directory_, change, file, clock_.now().s, ignored);
      }
      const auto totals = change.catalog().totals();
      change.after_commit([this, totals] { ledger_.load(totals); });
    });
  } catch (...) {
    const std::lock_guard lock{mutex_};
    unfinished_.insert(unfinished_.end(), files.begin(), files.end());
    throw;
  }
}

bool ObjectStore::remove(const Repository& repository, const ObjectName& name,
                         const Principal& principal, const ChangeGuard& guard) {
  settle_unfinished();
  bool removed = false;
  queue_.commit([&](Change& change) {
    if (guard) guard(change);
    Catalog& catalog = change.catalog();
    const Fd root = open_directory(repository.name);
    const RepositoryFiles files{root.get()};
    const auto row = catalog.find_object(repository.id, name);
    const auto directory = files.directory_of(name);
    const auto there = directory ? files.open(name) : std::nullopt;
    catalog.remove_object(repository.id, name, principal.id, clock_.now().s);
    const SpaceOwner owner{repository.id, row ? row->token : kUnknownOwner};
    const std::uint64_t counted = row ? row->bytes : 0;
    change.after_commit([this, owner, counted] { ledger_.give_back_used(owner, counted); });
    if (!there) return;
    removed = true;
    if (name.type == ObjectType::lock) {
      // Locks come and go every few minutes, and nobody wants one back.
      if (::unlinkat(directory->get(), file_name(name).c_str(), 0) != 0 && errno != ENOENT) {
        throw system_error(errno, "removing " + name.path());
      }
    } else {
      const std::string parked = ParkedName::make(repository.id, owner.token, name).text();
      if (::renameat2(directory->get(), file_name(name).c_str(), directory_.trash(), parked.c_str(),
                      RENAME_NOREPLACE) != 0) {
        throw system_error(errno, "removing " + name.path());
      }
      catalog.add_trash({.repository = repository.id,
                         .object = name,
                         .bytes = there->bytes,
                         .removed_at = clock_.now().s,
                         .file = parked});
      auto trash = open_beneath(directory_.trash(), ".", O_RDONLY | O_DIRECTORY);
      if (!trash) throw system_error(ENOENT, "opening the trash");
      change.sync_before_commit("trash", std::move(*trash));
    }
    change.sync_before_commit(repository.id, files, name);
  });
  return removed;
}

void ObjectStore::forget_changes_before(std::int64_t time) {
  queue_.commit([&](Change& change) { change.catalog().forget_changes_before(time); });
}

std::optional<Operation> ObjectStore::find_operation(const Repository& repository,
                                                     const std::string& id) {
  const auto connection = readers_.take();
  return OperationLog{*connection}.find(repository.id, id);
}

void ObjectStore::keep_operation(const Operation& operation) {
  queue_.commit([&](Change& change) { OperationLog{change.database()}.add(operation); });
}

void ObjectStore::forget_operations_before(std::int64_t time) {
  queue_.commit([&](Change& change) { OperationLog{change.database()}.forget_before(time); });
}

std::size_t ObjectStore::empty_trash_before(std::int64_t time) {
  std::size_t deleted = 0;
  for (;;) {
    std::size_t batch = 0;
    queue_.commit([&](Change& change) {
      const auto rows = change.catalog().trash_before(time, kTrashBatch);
      for (const TrashRow& row : rows) delete_from_trash(directory_, change.catalog(), row);
      batch = rows.size();
    });
    deleted += batch;
    if (batch < static_cast<std::size_t>(kTrashBatch)) return deleted;
  }
}

}  // namespace vgerfs::server
