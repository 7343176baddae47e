// A repository in memory with clients on it, each with directories of its own.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include "base/clock.h"
#include "repo/repository.h"
#include "repo/session.h"
#include "support/faulty_backend.h"
#include "support/manual_clock.h"
#include "support/memory_backend.h"
#include "support/temporary_directory.h"

namespace vgerfs::testing {

class TestRepository {
 public:
  /// Clients go by `clock`.
  explicit TestRepository(
      std::shared_ptr<MemoryStore> store = std::make_shared<MemoryStore>(&system_clock()),
      const Clock& clock = system_clock())
      : store_(std::move(store)), clock_(clock) {
    if (store_->names().empty()) {
      MemoryBackend backend{store_};
      repo::Repository::init(backend, full_key(), {}, crypto::system_random(), clock_);
    }
  }

  static repo::Credential full_key() { return repo::KeyFile{secret(std::byte{1})}; }
  static repo::Credential ingest_key() { return repo::KeyFile{secret(std::byte{2})}; }

  /// Adds an ingest slot for `host`, which `ingest_key` opens.
  void add_ingest_slot(const std::string& host) {
    add_ingest_slot(*open(full_key(), "admin"), host);
  }
  static format::ObjectName add_ingest_slot(repo::Repository& opened, const std::string& host) {
    repo::Certificate wanted;
    wanted.role = repo::Role::ingest;
    wanted.label = "test";
    wanted.hosts = {host};
    const auto bundle = opened.keyring().make_bundle(wanted, crypto::system_random());
    const auto name = backends::write_object(
        opened.backend(), format::ObjectType::key,
        repo::make_slot(bundle, ingest_key(), {}, opened.keyring().envelope_keys(), opened.cipher(),
                        0, crypto::system_random()));
    opened.backend().barrier();
    return name;
  }

  /// A client by name: the same name finds its cache and state again.
  std::unique_ptr<repo::Repository> open(const repo::Credential& credential,
                                         const std::string& client, bool accept_rollback = false) {
    client_ = std::make_shared<Client>(store_);
    faulty_ = {client_, &client_->faulty};
    repo::OpenOptions options;
    options.directories = {.cache = directory_.path() + "/" + client + "/cache",
                           .state = directory_.path() + "/" + client + "/state"};
    options.host = "host";
    options.accept_rollback = accept_rollback;
    options.clock = &clock_;
    return repo::Repository::open(faulty_, credential, std::move(options));
  }

  MemoryStore& store() { return *store_; }
  const std::shared_ptr<MemoryStore>& shared_store() const { return store_; }
  const std::string& directory() const { return directory_.path(); }
  /// The backend of the client opened last.
  FaultyBackend& faulty() { return *faulty_; }
  /// The machine of the client opened last loses its power: of what it wrote since its last barrier
  /// each object is gone or there, as `seed` decides. Returns how many are there.
  std::size_t crash(std::uint64_t seed) { return client_->memory.crash(seed); }

 private:
  struct Client {
    explicit Client(std::shared_ptr<MemoryStore> store)
        : memory(std::move(store)), faulty(memory) {}
    ForgettingBackend memory;
    FaultyBackend faulty;
  };

  static crypto::Secret secret(std::byte value) {
    crypto::Secret made{32};
    std::fill(made.mutable_view().begin(), made.mutable_view().end(), value);
    return made;
  }

  std::shared_ptr<MemoryStore> store_;
  const Clock& clock_;
  std::shared_ptr<Client> client_;         // opened last
  std::shared_ptr<FaultyBackend> faulty_;  // its backend
  TemporaryDirectory directory_;
};

/// A root entry for snapshots whose content does not matter.
inline format::proto::Entry plain_root() {
  format::proto::Entry root;
  root.set_type(format::proto::ENTRY_DIRECTORY);
  root.set_mode(0755);
  return root;
}

}  // namespace vgerfs::testing
