#include "repo/repository_state.h"

#include <algorithm>
#include <array>
#include <utility>

#include "backends/store_services.h"
#include "base/log.h"
#include "repo/limits.h"
#include "repo/maintenance/grace.h"
#include "repo/maintenance/object_verdict.h"

namespace vgerfs::repo {
namespace {

using backends::Backend;
using format::ObjectType;

template <class Id, class Container>
bool contains_sorted(const Container& sorted, const Id& id) {
  return std::binary_search(sorted.begin(), sorted.end(), id);
}

constexpr const char* kRollbackHint =
    "somebody may have put an old copy of the repository in its place; compare `vgerfs-admin info` "
    "on another client. "
    "If you restored the store from a copy yourself, run the command once with --accept-rollback; "
    "if "
    "parts of it were lost, run `vgerfs-admin repair` with it";

}  // namespace

/// What the store shows at one moment, sorted.
struct RepositoryState::Listing {
  std::vector<RecordId> records;
  std::vector<SnapshotId> snapshots;
  std::unordered_map<SnapshotId, std::optional<Timestamp>> stored_at;
  std::array<std::byte, 16> index_generation{};
};

RepositoryState::RepositoryState(Backend& backend, const Keyring& keyring, Options options)
    : backend_(backend),
      keyring_(keyring),
      options_(std::move(options)),
      seen_(SeenState::open(options_.state_directory, keyring.repository())),
      index_(IndexCache::open(options_.cache_directory, keyring.repository())) {
  const Listing listing = list_store();
  apply_new_records(listing);  // what is gone may be superseded by what is new
  std::vector<RecordId> lost = index_->records();
  std::erase_if(lost, [&](const RecordId& id) {
    return contains_sorted(listing.records, id) || index_->is_superseded(id) ||
           backend_.stat(format::record_name(id));
  });
  if (!lost.empty()) {
    // The cache names packs that the store may not have: nothing may be deduplicated against them.
    if (!options_.accept_rollback) {
      throw Error{ErrorCode::rollback,
                  fmt::format("the store has lost {} index records that this client has read, for "
                              "instance {}",
                              lost.size(), format::record_name(lost.front()).path()),
                  kRollbackHint};
    }
    index_.reset();
    IndexCache::discard(options_.cache_directory);
    index_ = IndexCache::open(options_.cache_directory, keyring.repository());
  }
}

RepositoryState::~RepositoryState() = default;

RepositoryState::Listing RepositoryState::list_store() {
  Listing listing;
  // Snapshots first: a snapshot that is listed has its records in the store already.
  backend_.list(ObjectType::snapshot, [&](const backends::ObjectInfo& info) {
    const SnapshotId id{info.name.id.bytes()};
    listing.snapshots.push_back(id);
    listing.stored_at.emplace(id, info.stored_at);
  });
  backend_.list(ObjectType::index, [&](const backends::ObjectInfo& info) {
    listing.records.emplace_back(info.name.id.bytes());
  });
  std::sort(listing.records.begin(), listing.records.end());
  std::sort(listing.snapshots.begin(), listing.snapshots.end());
  return listing;
}

void RepositoryState::check_rollback(const Listing& listing, std::set<SnapshotId>& unlisted) {
  SeenState::Missing missing = seen_->missing(listing.records, listing.snapshots);
  // What maintenance replaced or removed may be gone; it need not be remembered.
  const std::vector<RecordId> superseded = index_->superseded_records();
  const std::vector<SnapshotId> removed = index_->removed_snapshots();
  SeenState::Missing explained;
  std::erase_if(missing.records, [&](const RecordId& id) {
    if (!contains_sorted(superseded, id)) return false;
    explained.records.push_back(id);
    return true;
  });
  std::erase_if(missing.snapshots, [&](const SnapshotId& id) {
    if (!contains_sorted(removed, id)) return false;
    explained.snapshots.push_back(id);
    return true;
  });
  if (!explained.records.empty() || !explained.snapshots.empty()) seen_->forget(explained);
  // Listings may lag: ask by name before crying wolf.
  std::erase_if(missing.records, [&](const RecordId& id) {
    return backend_.stat(format::record_name(id)).has_value();
  });
  std::erase_if(missing.snapshots, [&](const SnapshotId& id) {
    if (!backend_.stat(format::snapshot_name(id))) return false;
    unlisted.insert(id);
    return true;
  });
  if (missing.records.empty() && missing.snapshots.empty()) return;
  const std::string first = missing.snapshots.empty()
                                ? format::record_name(missing.records.front()).path()
                                : format::snapshot_name(missing.snapshots.front()).path();
  const std::string what = fmt::format(
      "{} index records and {} snapshots that this client has seen are gone, for "
      "instance {}",
      missing.records.size(), missing.snapshots.size(), first);
  if (!options_.accept_rollback) {
    throw Error{ErrorCode::rollback, "the repository was rolled back: " + what, kRollbackHint};
  }
  warn("the rollback is accepted: " + what);
  seen_->forget(missing);
}

bool RepositoryState::apply_new_records(const Listing& listing) {
  std::vector<RecordId> applied = index_->records();
  std::sort(applied.begin(), applied.end());
  bool complete = true;
  std::vector<std::pair<RecordId, std::string>> unreadable;
  for (const RecordId& id : listing.records) {
    if (contains_sorted(applied, id)) continue;
    const format::ObjectName name = format::record_name(id);
    Bytes stored;
    IndexRecord record;
    try {
      stored = backends::read_object(backend_, name, kMaxRecordBytes);
      record = open_record(stored, keyring_);
    } catch (Error& error) {
      if (error.code() == ErrorCode::not_found) {
        complete = false;
        continue;
      }
      error.add_context("reading " + name.path());
      if (error.code() != ErrorCode::corrupt && error.code() != ErrorCode::unsupported) throw;
      const std::optional<Role> author = judge_record(id, stored, keyring_).author;
      if (author == Role::ingest) {
        // It is as its author wrote it, and counts for nothing (FORMAT.md section 9.1): else one
        // could stop maintenance for good.
        warn(fmt::format("{}; it counts for nothing", error.what()));
        continue;
      }
      // Needs a feature, says somebody who may.
      if (author && error.code() == ErrorCode::unsupported) throw;
      // A record that cannot be read is a hole in the index; its packs may hold what snapshots
      // need. It is named, the rest goes on, and whatever needs it fails by itself.
      unreadable.emplace_back(id, error.what());
      continue;
    }
    if (record.ignored_claims) {
      warn(fmt::format("{} makes claims that its author ({}) may not make; they are ignored",
                       name.path(), record.author.label));
    }
    index_->apply(id, record, stored.size());  // what fails here is the client's own
  }
  for (auto& [id, reason] : unreadable) {
    if (index_->is_superseded(id)) continue;  // others say what it said
    warn(std::move(reason));
    const std::lock_guard lock{mutex_};
    unreadable_records_.push_back(id);
  }
  return complete;
}

std::shared_ptr<const Snapshot> RepositoryState::read_snapshot(const SnapshotId& id) {
  const format::ObjectName name = format::snapshot_name(id);
  return std::make_shared<Snapshot>(
      open_snapshot(id, backends::read_object(backend_, name, kMaxSnapshotBytes), keyring_));
}

bool RepositoryState::read_snapshots(const Listing& listing) {
  auto list = std::make_shared<SnapshotList>();
  list->ids = listing.snapshots;
  if (can_read()) {
    const std::vector<SnapshotId> removed = index_->removed_snapshots();
    const std::vector<Revocation> revocations = index_->facts().revocations;
    for (const SnapshotId& id : listing.snapshots) {
      if (contains_sorted(removed, id)) continue;
      auto& opened = opened_[id];
      if (!opened) {
        try {
          opened = read_snapshot(id);
        } catch (const Error& error) {
          opened_.erase(id);
          if (error.code() == ErrorCode::not_found) return false;
          if (error.code() == ErrorCode::unavailable || error.code() == ErrorCode::interrupted)
            throw;
          list->unreadable.push_back({id, error.what(), supported_despite(error)});
          warn(fmt::format("{}: {}", format::snapshot_name(id).path(), error.what()));
          continue;
        }
      }
      if (!counts(*opened, revocations)) {
        list->revoked.push_back(id);
        continue;
      }
      list->snapshots.push_back(listed(opened, listing.stored_at.at(id)));
    }
  }
  publish_list(std::move(list));
  return true;
}

void RepositoryState::publish_list(std::shared_ptr<SnapshotList> list) {
  annotate(*list, index_->facts().annotations);
  arrange(*list);
  const std::lock_guard lock{mutex_};
  snapshots_ = std::move(list);
}

void RepositoryState::check_claims(const Listing& listing, std::set<SnapshotId>& unlisted) {
  const std::vector<SnapshotId> removed = index_->removed_snapshots();
  const std::vector<RecordId> superseded = index_->superseded_records();
  const auto absent_record = [&](const RecordId& id) {
    return !contains_sorted(listing.records, id) && !contains_sorted(superseded, id) &&
           !backend_.stat(format::record_name(id));
  };
  const auto absent_snapshot = [&](const SnapshotId& id) {
    if (contains_sorted(listing.snapshots, id) || contains_sorted(removed, id)) return false;
    if (!backend_.stat(format::snapshot_name(id))) return true;
    unlisted.insert(id);
    return false;
  };
  const auto report = [&](const std::string& object, bool by_full_author) {
    if (by_full_author && !options_.accept_rollback) {
      throw Error{ErrorCode::rollback,
                  "the store lacks an object that a trusted author has seen: " + object,
                  kRollbackHint};
    }
    warn(fmt::format("the store lacks {}, which {} author claims to have seen", object,
                     by_full_author ? "a trusted" : "an ingest"));
  };
  for (const IndexCache::Claim& claim : index_->claims()) {
    if (claim.snapshot) {
      const SnapshotId id{claim.id.bytes()};
      if (absent_snapshot(id)) report(format::snapshot_name(id).path(), claim.by_full_author);
    } else {
      const RecordId id{claim.id.bytes()};
      if (absent_record(id)) report(format::record_name(id).path(), claim.by_full_author);
    }
  }
  for (const auto& [id, snapshot] : opened_) {
    for (const RecordId& record : snapshot->after_records) {
      if (absent_record(record))
        report(format::record_name(record).path(), snapshot->author.role == Role::full);
    }
  }
}

void RepositoryState::check_history() {
  backends::StoreServices* const services = backend_.services();
  if (!services) return;
  const auto known = seen_->store_head();
  const auto history = services->history(known);
  if (!history || history->head == known) return;
  if (history->continuity == backends::Continuity::broken) {
    // What this client has seen is there, or check_rollback had thrown.
    warn(
        fmt::format("the server tells another history than the one that this client knew up to "
                    "change {}: it was restored from a copy, or somebody has changed it",
                    known->sequence));
  }
  seen_->set_store_head(history->head);
}

void RepositoryState::note_unlisted(std::set<SnapshotId> unlisted) {
  if (!unlisted.empty()) {
    backend_.list(ObjectType::snapshot, [&](const backends::ObjectInfo& info) {
      unlisted.erase(SnapshotId{info.name.id.bytes()});
    });
  }
  for (const SnapshotId& id : unlisted) {
    warn(fmt::format("the store's listing omits {}, which is there",
                     format::snapshot_name(id).path()));
  }
  const std::lock_guard lock{mutex_};
  unlisted_snapshots_.assign(unlisted.begin(), unlisted.end());
}

void RepositoryState::refresh() {
  const std::lock_guard refresh_lock{refresh_mutex_};
  // Maintenance elsewhere may delete what was listed a moment ago, once something newer stands for
  // it.
  constexpr int kAttempts = 5;
  // What was deleted was removed or superseded at least a grace time before, which a listing that
  // is not too old tells.
  constexpr std::int64_t kMaxListingAge_ns = kMinGrace_s * std::int64_t{1'000'000'000} / 2;
  for (int attempt = 1;; ++attempt) {
    const std::int64_t began_ns = options_.clock->boot_ns();
    try {
      if (refresh_once()) return;
    } catch (const Error& error) {
      const bool slept = options_.clock->boot_ns() - began_ns >= kMaxListingAge_ns;
      if (error.code() != ErrorCode::rollback || !slept || attempt == kAttempts) throw;
      continue;
    }
    if (attempt == kAttempts) {
      throw Error{ErrorCode::unavailable,
                  "the store lists objects that it does not have: " + backend_.location(),
                  "try again; if it stays so, run `vgerfs-admin check`"};
    }
  }
}

bool RepositoryState::refresh_once() {
  Listing listing = list_store();
  listing.index_generation = index_->generation();
  if (last_listing_ && listing.records == last_listing_->records &&
      listing.snapshots == last_listing_->snapshots &&
      listing.index_generation == last_listing_->index_generation) {
    return true;
  }
  {
    const std::lock_guard lock{mutex_};
    warnings_.clear();
    unreadable_records_.clear();
  }
  if (!apply_new_records(listing)) return false;
  std::set<SnapshotId> unlisted;
  check_rollback(listing, unlisted);
  if (!read_snapshots(listing)) return false;
  check_claims(listing, unlisted);
  note_unlisted(std::move(unlisted));
  if (seen_->is_new() && !last_listing_ && !listing.snapshots.empty()) {
    warn(
        "this client has no memory of the repository: rollback detection starts anew; compare the "
        "heads that "
        "`vgerfs-admin info` prints with another client's");
  }
  check_history();
  seen_->add(listing.records, listing.snapshots);
  last_listing_ = std::make_unique<Listing>(std::move(listing));
  return true;
}

void RepositoryState::warn(std::string text) {
  log::debug("{}", text);
  const std::lock_guard lock{mutex_};
  warnings_.push_back(std::move(text));
}

std::vector<std::string> RepositoryState::warnings() const {
  const std::lock_guard lock{mutex_};
  return warnings_;
}

std::vector<RecordId> RepositoryState::unreadable_records() const {
  const std::lock_guard lock{mutex_};
  return unreadable_records_;
}

std::vector<SnapshotId> RepositoryState::unlisted_snapshots() const {
  const std::lock_guard lock{mutex_};
  return unlisted_snapshots_;
}

std::shared_ptr<const SnapshotList> RepositoryState::snapshots() const {
  const std::lock_guard lock{mutex_};
  return snapshots_;
}

ListedSnapshot RepositoryState::adopt_snapshot(Snapshot snapshot) {
  const std::lock_guard refresh_lock{refresh_mutex_};
  const SnapshotId id = snapshot.id;
  auto shared = std::make_shared<const Snapshot>(std::move(snapshot));
  const auto info = backend_.stat(format::snapshot_name(id));
  ListedSnapshot result = listed(shared, info ? info->stored_at : std::nullopt);
  auto list = std::make_shared<SnapshotList>(*snapshots());
  if (!std::binary_search(list->ids.begin(), list->ids.end(), id)) list->ids.push_back(id);
  if (can_read()) {
    opened_[id] = shared;
    list->snapshots.push_back(result);
  }
  publish_list(std::move(list));
  for (const auto now = snapshots(); const ListedSnapshot& each : now->snapshots) {
    if (each.snapshot->id == id) result = each;
  }
  return result;
}

}  // namespace vgerfs::repo
