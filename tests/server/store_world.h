// A store on a directory of its own, as the server puts it together.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>

#include "base/error.h"
#include "server/object_store.h"
#include "support/manual_clock.h"

namespace vgerfs::server {

inline RepositoryName repository_name(std::string_view text) {
  return *RepositoryName::parse(text);
}

inline format::ObjectName object_of(std::string_view bytes,
                                    format::ObjectType type = format::ObjectType::pack) {
  return {type, ObjectId{sha256(bytes_of(bytes))}};
}

struct StoreWorld {
  explicit StoreWorld(const std::string& path) : directory(path) {
    ledger = std::make_unique<SpaceLedger>([this] {
      if (const auto action = on_free_bytes) action();
      return free_bytes;
    });
    queue = std::make_unique<CommitQueue>(directory.database_path(), [this](Database& database) {
      ledger->load(Catalog{database}.totals());
    });
    store = std::make_unique<ObjectStore>(directory, *queue, *ledger, clock);
  }

  Repository repository(std::string_view name = "repo") {
    store->create(repository_name(name));
    return *store->find(repository_name(name));
  }

  std::unique_ptr<Upload> begin(const Repository& repository, const format::ObjectName& name,
                                std::uint64_t bytes) {
    return store->begin(repository, name, principal,
                        ledger->reserve({repository.id, principal.id}, limits, bytes));
  }

  ObjectStore::Added put(const Repository& repository, std::string_view bytes,
                         format::ObjectType type = format::ObjectType::pack) {
    const auto upload = begin(repository, object_of(bytes, type), bytes.size());
    upload->write(bytes_of(bytes));
    return store->add(repository, *upload);
  }

  /// Name and size of what a list shows.
  std::map<std::string, std::uint64_t> listed(const Repository& repository,
                                              format::ObjectType type = format::ObjectType::pack) {
    std::map<std::string, std::uint64_t> found;
    store->list(repository, type,
                [&](const ListedObject& object) { found[object.name.id.hex()] = object.bytes; });
    return found;
  }

  /// The same from the directory itself.
  std::map<std::string, std::uint64_t> in_directory(
      const Repository& repository, format::ObjectType type = format::ObjectType::pack) {
    std::map<std::string, std::uint64_t> found;
    const auto root = directory.open_repository(repository.name);
    RepositoryFiles{root->get()}.list(
        type, [&](const ListedObject& object) { found[object.name.id.hex()] = object.bytes; });
    return found;
  }

  std::size_t files_in(int place) {
    std::size_t count = 0;
    DataDirectory::list_names(place, [&](const std::string&) { ++count; });
    return count;
  }

  vgerfs::testing::ManualClock clock;
  std::uint64_t free_bytes = 1ULL << 40;
  std::function<void()> on_free_bytes;  ///< when the ledger asks for them
  SpaceLimits limits;
  Principal principal{.id = 7, .name = "tester", .role = Role::append};
  DataDirectory directory;
  std::unique_ptr<SpaceLedger> ledger;
  std::unique_ptr<CommitQueue> queue;
  std::unique_ptr<ObjectStore> store;
};

}  // namespace vgerfs::server
