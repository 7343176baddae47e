#include "repo/repository.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include "base/fd.h"
#include "base/log.h"
#include "repo/limits.h"
#include "repo/publish_record.h"

namespace vgerfs::repo {
namespace {

using backends::Backend;
using format::ObjectType;

}  // namespace

void Repository::init(Backend& backend, const Credential& credential, const InitOptions& options,
                      crypto::Random& random, const Clock& clock) {
  if (backend.stat(format::config_name())) {
    throw Error{ErrorCode::exists, "there is a repository already at " + backend.location()};
  }
  const std::int64_t now_s = clock.now().s;
  const auto keyring = Keyring::generate(random, options.label, now_s);
  Config config;
  config.repository = keyring->repository();
  config.root_public_key = keyring->root_public_key();
  config.created_s = now_s;
  config.chunker = options.chunker;
  config.cipher = options.cipher;
  const crypto::Cipher cipher = options.cipher.value_or(crypto::fastest_cipher());
  backends::write_object(backend, ObjectType::key,
                         make_slot(keyring->bundle(), credential, options.cost,
                                   keyring->envelope_keys(), cipher, now_s, random));
  // The config makes it a repository: it comes when a slot is there that opens it.
  backend.barrier();
  backend.write(format::config_name(), encode_config(config, keyring->root()));
  backend.barrier();
}

std::unique_ptr<Repository> Repository::open(std::shared_ptr<Backend> backend,
                                             const Credential& credential, OpenOptions options) {
  std::unique_ptr<Repository> repository{new Repository};
  repository->backend_ = std::move(backend);
  repository->options_ = std::move(options);
  repository->open_with(credential);
  repository->open_client_files();
  repository->refresh();
  return repository;
}

Repository::~Repository() = default;

void Repository::open_with(const Credential& credential) {
  if (!backend_->stat(format::config_name())) {
    throw Error{ErrorCode::no_repository, "there is no repository at " + backend_->location(),
                "`vgerfs-admin init` makes one"};
  }
  const Bytes stored = backends::read_object(*backend_, format::config_name(), kMaxConfigBytes);
  config_ = parse_config(stored);
  std::size_t damaged = 0;
  std::optional<Error> newer;
  backend_->list(ObjectType::key, [&](const backends::ObjectInfo& info) {
    if (keyring_) return;
    try {
      keyring_ = open_slot(backends::read_object(*backend_, info.name, kMaxSlotBytes), credential,
                           config_.repository);
      slot_ = SlotId{info.name.id.bytes()};
    } catch (const Error& error) {
      if (error.code() == ErrorCode::unsupported) {
        newer = error;
      } else if (error.code() == ErrorCode::corrupt) {
        ++damaged;
        log::debug("{}: {}", info.name.path(), error.what());
      } else {
        throw;
      }
    }
  });
  if (!keyring_) {
    if (newer) throw Error{*newer};
    throw Error{
        ErrorCode::wrong_key, "no key slot opens with this passphrase or key file",
        damaged != 0
            ? fmt::format("{} key slots are damaged: restore keys/ from a copy of the repository",
                          damaged)
            : "check that it is the credential of this repository: " + backend_->location()};
  }
  if (keyring_->root_public_key() != config_.root_public_key ||
      !verify_config(stored, keyring_->root_public_key())) {
    throw Error{ErrorCode::corrupt, "the repository's config is not signed by its root key",
                "somebody changed it: restore `config` from a copy of the repository"};
  }
  if (options_.expected && config_.cipher != options_.expected) {
    throw Error{ErrorCode::denied,
                "the repository's config names another cipher than encryption.mode asks for",
                "set encryption.mode to what `vgerfs-admin info` shows, or `auto`"};
  }
}

void Repository::open_client_files() {
  state_ = std::make_unique<RepositoryState>(
      *backend_, *keyring_,
      RepositoryState::Options{.state_directory = state_directory(),
                               .cache_directory = cache_directory(),
                               .accept_rollback = options_.accept_rollback,
                               .clock = options_.clock});
  reader_ = std::make_unique<ChunkReader>(*backend_, state_->index(), *keyring_,
                                          options_.block_cache_bytes);
  reader_->set_refresh([this] { refresh(); });
}

crypto::Cipher Repository::cipher() const noexcept {
  return config_.cipher.value_or(crypto::fastest_cipher());
}

std::string Repository::state_directory() const {
  std::string path = options_.directories.state + "/" + config_.repository.hex();
  make_directories(path, 0700);
  return path;
}

std::string Repository::cache_directory() const {
  std::string path = options_.directories.cache + "/" + config_.repository.hex();
  make_directories(path, 0700);
  return path;
}

std::string Repository::source_directory(std::string_view host, std::string_view source) const {
  VGERFS_CHECK(is_valid_name(host) && is_valid_name(source));
  std::string path = fmt::format("{}/sources/{}/{}", state_directory(), host, source);
  make_directories(path, 0700);
  return path;
}

std::vector<RemovedSnapshot> Repository::removed_snapshots() {
  std::vector<RemovedSnapshot> removed;
  for (const SnapshotRemoval& removal : index().facts().removals) {
    if (removed.empty() || removed.back().id != removal.snapshot) {
      RemovedSnapshot& added = removed.emplace_back();
      added.id = removal.snapshot;
      if (const auto info = backend_->stat(format::snapshot_name(removal.snapshot)); info) {
        added.stored_at = info->stored_at;
        try {
          added.snapshot = state_->read_snapshot(removal.snapshot);
        } catch (const Error& error) {
          if (error.code() != ErrorCode::not_found && error.code() != ErrorCode::corrupt &&
              error.code() != ErrorCode::unsupported && error.code() != ErrorCode::denied) {
            throw;
          }
          log::debug("a removed snapshot cannot be opened: {}", error.what());
        }
      }
    }
    removed.back().removals.push_back(removal);
  }
  return removed;
}

Supported Repository::supported() {
  Supported all = index().supported() & config_.supported;
  const auto list = snapshots();
  for (const ListedSnapshot& listed : list->snapshots) all = all & listed.snapshot->supported;
  for (const UnreadableSnapshot& unreadable : list->unreadable) all = all & unreadable.supported;
  return all;
}

void Repository::add_heads(IndexRecord& record) {
  const auto add = [](auto& to, const auto& heads) {
    for (const auto& id : heads) {
      if (std::find(to.begin(), to.end(), id) == to.end()) to.push_back(id);
    }
  };
  add(record.after_records, index().record_heads());
  add(record.after_snapshots, index().snapshot_heads(snapshots()->ids, keyring_->role()));
}

RecordId Repository::publish_record(IndexRecord record) {
  return repo::publish_record(*this, std::move(record), *backend_);
}

}  // namespace vgerfs::repo
